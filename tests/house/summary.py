"""Which tests were skipped, and which files took the time, from pytest's JUnit file.

``python -m tests.house.summary junit.xml`` exits 1 when a test was skipped while ``CI=true``: in
continuous integration everything that tests need is there, so a skip hides something.
"""

import os
import sys
from pathlib import Path
from xml.etree import ElementTree


def main() -> int:
    """Print the summary; the exit status."""
    cases = ElementTree.parse(Path(sys.argv[1])).getroot().iter("testcase")
    seconds: dict[str, float] = {}
    skipped: list[str] = []
    for case in cases:
        file = case.get("classname", "?")
        seconds[file] = seconds.get(file, 0) + float(case.get("time", 0))
        skip = case.find("skipped")
        if skip is not None and skip.get("type") != "pytest.xfail":
            skipped.append(f"{file}::{case.get('name')}: {skip.get('message')}")
    print("── slowest test files")
    for file, taken in sorted(seconds.items(), key=lambda item: -item[1])[:10]:
        print(f"{taken:7.1f} s  {file}")
    if skipped:
        print(f"── {len(skipped)} skipped")
        for line in sorted(skipped):
            print(f"  {line}")
    return 1 if skipped and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
