"""Provides what the stack tests need beyond PyPI and npm: a real Chromium and its driver, from Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}


def main() -> int:
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not missing:
        return 0
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.stderr.write(f"The stack tests need: {' '.join(missing)}. Install them, then run make test-stack again.\n")
        return 1
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], check=True, env=environment)
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    return subprocess.run(install, check=False, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
