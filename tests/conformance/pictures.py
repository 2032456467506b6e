# pictures of every kind that Pillow writes → what soma reads of them, pixel for pixel what Pillow does.
import csv
import io
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

import numpy as np
from PIL import Image, ImageOps

SOMA = sys.argv.pop(1)
SIDE = 24  # square, so that turned pictures keep their shape


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(mode, bits, pixels, extra=b"", interlaced=0):
    """A PNG by the standard's own words, for what Pillow does not write."""
    height, width = pixels.shape[:2]
    raw = pixels.astype(">u2" if bits == 16 else "u1").reshape(height, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in raw)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, mode, 0, 0, interlaced)) + extra +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def on_white(image):
    """Transparent places as Pillow pastes them on white."""
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return np.asarray(white)


def seen(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    transparent = "A" in image.mode or "transparency" in image.info
    return on_white(image) if transparent else np.asarray(image.convert("RGB"))


class Pictures(unittest.TestCase):
    def setUp(self):
        r = np.random.default_rng(5)
        wave = np.add.outer(np.arange(SIDE), 2 * np.arange(SIDE))
        self.rgb = np.stack([wave * 3 % 256, wave * 5 % 256, 255 - wave * 2 % 256], axis=2).astype(np.uint8)
        self.rgb[4:9, 3:20] = r.integers(0, 256, (5, 17, 3))
        self.gray = self.rgb[:, :, 1].copy()
        self.alpha = (wave * 4 % 256).astype(np.uint8)
        self.wide = (wave * 1789 % 65536).astype(np.uint16)

    def check(self, files, extension):
        """name → (bytes, pixels [side, side, 3])."""
        with tempfile.TemporaryDirectory() as place:
            place = pathlib.Path(place)
            for name, (data, _) in files.items():
                (place / "set" / name).mkdir(parents=True)
                (place / "set" / name / f"a.{extension}").write_bytes(data)
            (place / "set" / "~colour").mkdir()  # one more, so that all become colour
            (place / "set" / "~colour" / "a.png").write_bytes(saved(Image.fromarray(self.rgb), "PNG"))
            done = subprocess.run([SOMA, "data", "convert", place / "set", place / "out.csv"], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(place / "out.csv", newline="") as file:
                rows = {row[0]: np.array(row[1:], int).reshape(SIDE, SIDE, 3) for row in list(csv.reader(file))[1:]}
        for name, (_, wanted) in files.items():
            off = np.abs(rows[name] - wanted.astype(int)).max()
            self.assertEqual(off, 0, f"{name}: a pixel is {off} off")

    def test_png(self):
        files = {"rgb": Image.fromarray(self.rgb), "gray": Image.fromarray(self.gray), "bilevel": Image.fromarray(self.gray).convert("1"),
                 "palette": Image.fromarray(self.rgb).quantize(40), "rgba": Image.fromarray(np.dstack([self.rgb, self.alpha])),
                 "gray alpha": Image.fromarray(np.dstack([self.gray, self.alpha]))}
        files = {name: saved(image, "PNG") for name, image in files.items()}
        files["palette with a transparent entry"] = saved(Image.fromarray(self.rgb).quantize(40), "PNG", transparency=3)
        files["gamma"] = png(2, 8, self.rgb, chunk(b"gAMA", struct.pack(">I", 100000)))
        files["gamma gray"] = png(0, 8, self.gray, chunk(b"gAMA", struct.pack(">I", 45455)))
        files["turned"] = saved(Image.fromarray(self.rgb), "PNG", exif=exif(6))
        self.check({name: (data, seen(data)) for name, data in files.items()}, "png")

    def test_png_of_16_bits(self):
        """The high byte; Pillow keeps all 16 bits of gray, and the high byte of colour."""
        high = (self.wide >> 8).astype(np.uint8)
        three = np.dstack([self.wide, self.wide[::-1], self.wide.T])
        gray, colour = png(0, 16, self.wide), png(2, 16, three)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(gray))).astype(int), self.wide)
        self.check({"gray": (gray, np.dstack([high] * 3)), "gray and gamma": (png(0, 16, self.wide, chunk(b"gAMA", struct.pack(">I", 100000))), np.dstack([high] * 3)),
                    "colour": (colour, seen(colour))}, "png")

    def test_jpeg(self):
        image, inks = Image.fromarray(self.rgb), Image.fromarray(np.dstack([self.rgb, self.alpha]), "CMYK")
        files = {"444": saved(image, "JPEG", quality=90, subsampling=0), "420": saved(image, "JPEG", quality=80, subsampling=2),
                 "422": saved(image, "JPEG", quality=70, subsampling=1), "progressive": saved(image, "JPEG", progressive=True),
                 "gray": saved(Image.fromarray(self.gray), "JPEG"), "rgb kept": saved(image, "JPEG", keep_rgb=True),
                 "cmyk": saved(inks, "JPEG", quality=95), "ycck": ycck(saved(inks, "JPEG", quality=95))}
        for turn in range(1, 9):
            files[f"exif {turn}"] = saved(image, "JPEG", quality=92, exif=exif(turn))
        self.check({name: (data, seen(data)) for name, data in files.items()}, "jpg")


def exif(turn):
    tags = Image.Exif()
    tags[0x0112] = turn
    return tags


def ycck(data):
    """The same inks said to be YCCK: Adobe's marker with transform 2."""
    at = data.index(b"Adobe")
    return data[: at + 11] + b"\x02" + data[at + 12 :]


if __name__ == "__main__":
    unittest.main()
