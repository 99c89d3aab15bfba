"""A Chromium for the tests: the one on PATH, or the one that an npm package carries, which needs no other library.

    python tests/report/chromium.py      fetch it (70 MB) beside this Python, unless there is one already

@sparticuz/chromium holds the headless shell, its libraries and a renderer without a GPU, for x86-64 Linux.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGE = "@sparticuz/chromium@147.0.0"
SHA256 = "18fe5404ce845594cd7d592fc07f37a19514079ba4d9c27192ad8b908743f16b"
FOLDER = Path(sys.prefix) / "chromium"
UNPACK = """
const [zlib, fs, path] = [require("zlib"), require("fs"), require("path")];
for (const name of fs.readdirSync("package/bin"))
  fs.writeFileSync(path.basename(name, ".br"), zlib.brotliDecompressSync(fs.readFileSync(`package/bin/${name}`)));
"""
FONTS = "<fontconfig><dir>{0}</dir><cachedir>{0}/cache</cachedir></fontconfig>"


def find() -> Path | None:
    """The browser to test with."""
    there = next(filter(None, map(shutil.which, NAMES)), None)
    fetched = FOLDER / "chromium"
    return Path(there) if there else fetched if fetched.is_file() else None


def surroundings(browser: Path) -> dict[str, str]:
    """The environment it starts in: the fetched one brings its own libraries and its own font."""
    if browser.parent != FOLDER:
        return dict(os.environ)
    own = {"LD_LIBRARY_PATH": str(FOLDER / "lib")}
    if not Path("/etc/fonts/fonts.conf").is_file():
        own["FONTCONFIG_FILE"] = str(FOLDER / "fonts.conf")
    return {**os.environ, **own}


def fetch() -> str:
    """Fetch and unpack the package, whole or not at all; returns what there is to say."""
    if find() is not None:
        return f"Chromium: {find()}"
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return "No Chromium to fetch for this machine: install one, and the browser's tests will run."
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "No Chromium, and no npm to fetch one with: the browser's tests will be skipped."
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as name:
        room = Path(name)
        pack = ["npm", "pack", "--silent", PACKAGE]
        packed = room / subprocess.run(pack, cwd=room, check=True, capture_output=True, text=True).stdout.strip()
        if hashlib.sha256(packed.read_bytes()).hexdigest() != SHA256:
            raise RuntimeError(f"{PACKAGE} is not what it was: its SHA-256 differs from {SHA256}")
        unpack(room, packed)
        room.joinpath("whole").rename(FOLDER)
    return f"Chromium: {FOLDER / 'chromium'}"


def unpack(room: Path, packed: Path) -> None:
    """The package's browser, its libraries and font, in `room`/whole."""
    with tarfile.open(packed) as archive:
        archive.extractall(room, filter="data")
    subprocess.run(["node", "-e", UNPACK], cwd=room, check=True)
    whole = room / "whole"
    for archive_name, place in (("al2023", whole), ("swiftshader", whole), ("fonts", whole)):
        with tarfile.open(room / f"{archive_name}.tar") as archive:
            archive.extractall(place, filter="data")
    browser = (room / "chromium").rename(whole / "chromium")
    browser.chmod(0o755)
    (whole / "fonts.conf").write_text(FONTS.format(FOLDER / "fonts"))


if __name__ == "__main__":
    print(fetch())
