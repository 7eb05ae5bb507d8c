#!/usr/bin/env python3
"""Writes alice.inc from the file alice29.txt of the Canterbury Corpus.

usage: make_alice.py PATH/alice29.txt > alice.inc

One raw string literal of C++. Left out: carriage returns, spaces at the ends of lines, the end-of-file mark, the empty
lines before the title, and the line that names the edition.
"""
import sys

with open(sys.argv[1], encoding="ascii", newline="") as file:
    text = file.read().replace("\r", "").replace("\x1a", "")
lines = [line.rstrip() for line in text.split("\n") if "MILLENNIUM FULCRUM EDITION" not in line]
text = "\n".join(lines).strip("\n") + "\n"
assert ')alice"' not in text
print('R"alice(' + text + ')alice"')
