#!/usr/bin/env python3
"""Writes digits.inc from scikit-learn's digits.csv.gz (Debian: python3-sklearn).

usage: make_digits.py PATH/sklearn/datasets/data/digits.csv.gz > digits.inc

One line an image: its label, a space, and its 64 pixels in row-major order as the digits 0 to 16 in base 17.
"""
import gzip
import sys

with gzip.open(sys.argv[1], "rt") as table:
    for row in table:
        *pixels, label = (round(float(cell)) for cell in row.split(","))
        assert len(pixels) == 64 and all(0 <= pixel <= 16 for pixel in pixels) and 0 <= label <= 9
        print('"%d %s"' % (label, "".join("0123456789abcdefg"[pixel] for pixel in pixels)))
