# SPDX-License-Identifier: Apache-2.0
"""The modules of benchmarks/ come last in the path: tests/support has names of its own."""
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks"))
