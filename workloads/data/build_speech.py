"""Rebuilds the shipped speech: `python -m workloads.data.build_speech --source FOLDER`.

Must never know how clips are split, cut or mixed with noise.

Source: spoken prompts of Asterisk 1.6.1, Debian package `asterisk-core-sounds-en-g722`, one voice
at 16 kHz, G.722 at 64 kbit/s. They are decoded, bit for bit as the ITU standard says, and packed
without loss. Needs no root: `pip install g722`, `apt-get download asterisk-core-sounds-en-g722 &&
dpkg-deb -x asterisk-core-sounds-en-g722_*.deb speech`, then
`--source speech/usr/share/asterisk/sounds/en_US_f_Allison`.

The packed form: a line `name samples` for each clip and an empty line; then, of all clips one after
another, the second differences d modulo 2^16, folded into 2d for d ≥ 0 and -2d - 1 else: first the
low bytes of all, then the high ones; all of it compressed by xz, which makes 64 % of
the plain samples (xz alone: 81 %).
"""

import argparse
import importlib
import lzma
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workloads.data.files import DataError, read_text, verify

__all__ = ["FILE", "NAMES", "RATE", "REBUILD", "SHA256", "Clips", "build", "pack", "read", "unpack"]

Clips = dict[str, npt.NDArray[np.int16]]

FILE = Path(__file__).parent / "speech" / "speech.xz"
RATE = 16_000  # samples a second
REBUILD = "Reinstall, or rebuild it with: python -m workloads.data.build_speech"
SHA256 = "e696b952f626800d758bc707abfac721237f3fc02b2140412e87012883af0992"
_PROMPTS = """
agent-newlocation agent-pass at-tone-time-exactly call-fwd-unconditional
check-number-dial-again demo-nomatch dir-firstlast dir-multi9 dir-nomore enter-num-blacklist
entr-num-rmv-blklist info-about-last-call pbx-invalid pls-hold-while-try priv-callpending
priv-recordintro privacy-prompt privacy-unident queue-callswaiting queue-quantity1
queue-thereare something-terribly-wrong transfer vm-calldiffnum vm-dialout
vm-enter-num-to-call vm-helpexit vm-invalidpassword vm-login vm-msgforwarded vm-newpassword
vm-nobodyavail vm-onefor-full vm-passchanged vm-prev vm-rec-name vm-repeat vm-review-urgent
vm-savemessage vm-starmain vm-tempgreeting vm-tempremoved vm-theperson vm-tocallnum
vm-tocancelmsg vm-toforward vm-tomakecall vm-torerecord vm-whichbox
"""
NAMES = tuple(_PROMPTS.split())
_SOURCE = Path("/usr/share/asterisk/sounds/en_US_f_Allison")


def pack(clips: Clips) -> bytes:
    """Returns the packed form before compression.

    Args:
        clips: (samples,) each, at least one sample altogether.
    """
    index = "".join(f"{name} {len(clip)}\n" for name, clip in clips.items())
    samples = np.concatenate(list(clips.values()))
    difference = np.diff(samples, n=2, prepend=np.zeros(2, np.int16))  # in 16 bits: wraps around
    folded = (difference << 1 ^ difference >> 15).view(np.uint16)
    planes = np.stack([folded & 0xFF, folded >> 8]).astype(np.uint8)
    return f"{index}\n".encode() + planes.tobytes()


def unpack(content: bytes) -> Clips:
    """Returns the clips by name, in the order in which they were packed."""
    index, _, body = content.partition(b"\n\n")
    sizes = {name: int(size) for name, size in map(str.split, index.decode().splitlines())}
    low, high = np.frombuffer(body, np.uint8).reshape(2, -1).astype(np.uint16)
    folded = low | high << 8
    difference = (folded >> 1) ^ -(folded & 1).astype(np.uint16)
    samples = np.cumsum(np.cumsum(difference, dtype=np.uint16), dtype=np.uint16).view(np.int16)
    ends = np.cumsum(list(sizes.values()))[:-1]
    return dict(zip(sizes, np.split(samples, ends), strict=True))


def read(file: Path = FILE) -> Clips:
    """Reads the shipped clips.

    Raises:
        DataError: The file is missing, torn, or holds something else.
    """
    return unpack(read_text(file, expected=SHA256, rebuild=f"{REBUILD}."))


def build(source: Path, *, file: Path = FILE) -> None:
    """Writes the packed file, 2.9 MB.

    Args:
        source: Folder with one `.g722` file a prompt.
        file: Where to write.

    Raises:
        DataError: The source has not all the prompts, or others than those that ship.
    """
    remedy = "Use asterisk-core-sounds-en-g722 1.6.1."
    missing = [name for name in NAMES if not (source / f"{name}.g722").is_file()]
    if missing:
        raise DataError(f"{source}: holds all prompts, got no {missing[0]}.g722. {remedy}")
    content = pack({name: decode((source / f"{name}.g722").read_bytes()) for name in NAMES})
    verify(content, path=source, expected=SHA256, rebuild=remedy)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))


def decode(content: bytes) -> npt.NDArray[np.int16]:
    """Decodes G.722 at 64 kbit/s to samples at 16 kHz."""
    codec = importlib.import_module("G722")
    samples: npt.NDArray[np.int16] = np.array(codec.G722(RATE, 64_000).decode(content), np.int16)
    return samples


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Rebuild the shipped speech.")
    parser.add_argument("--source", type=Path, default=_SOURCE, help="folder of .g722 files")
    build(parser.parse_args().source)
