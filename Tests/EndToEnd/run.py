"""Runs the tests of this folder against the release build: `python3 Tests/EndToEnd/run.py [module ...]`."""

import pathlib
import sys
import unittest

folder = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(folder))
names = sys.argv[1:] or sorted(path.stem for path in folder.glob("test_*.py"))
outcome = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(unittest.defaultTestLoader.loadTestsFromNames(names))
sys.exit(0 if outcome.wasSuccessful() and outcome.testsRun > 0 else 1)
