# arrays and pictures as people have them, a test for each kind of trouble → samples that are learned from, or one line that says why not.
import gzip
import io
import os
import pickle
import struct
import sys
import unittest

import data_kind
from data_kind import ROWS, TABLE, Kind

import numpy as np
from PIL import Image

data_kind.SOMA = sys.argv.pop(1)


class Samples(Kind):
    def setUp(self):
        super().setUp()
        self.y = np.arange(ROWS) % 2
        self.x = self.random.integers(0, 60, (ROWS, 8, 8)).astype(np.uint8)
        self.x[self.y == 1, :4] += 150


class Arrays(Samples):
    def save(self, name, x, y=None, beside="{}.labels.npy"):
        np.save(self.at / f"{name}.npy", x)
        if y is not None:
            np.save(self.at / beside.format(name), y)
        return f"{name}.npy"

    def test_the_same_numbers(self):
        plain = self.converted(self.save("plain", self.x, self.y))
        for name, x in (("fortran", np.asfortranarray(self.x)), ("big", self.x.astype(">i4")), ("half", self.x.astype("f2")), ("i2", self.x.astype("i2")),
                        ("u4", self.x.astype("u4")), ("f8", self.x.astype("f8")), ("nchw", self.x[:, None]), ("nhwc", self.x[..., None])):
            self.assertEqual([float(v) for row in self.converted(self.save(name, x, self.y))[1:] for v in row.split(",")],
                             [float(v) for row in plain[1:] for v in row.split(",")], name)

    def test_labels(self):
        for name, y, classes in (("column", self.y[:, None], "0 20, 1 20"), ("i1", self.y.astype("i1"), "0 20, 1 20"), ("bool", self.y == 1, "0 20, 1 20"),
                                 ("float", self.y.astype("f4"), "0 20, 1 20"), ("signs", 2 * self.y - 1, "-1 20, 1 20"), ("from_one", self.y + 1, "1 20, 2 20"),
                                 ("sparse", 900 * self.y + 7, "7 20, 907 20"), ("words", np.array(["cat", "dog"])[self.y], "cat 20, dog 20"),
                                 ("one_hot", np.eye(2)[self.y], "0 20, 1 20")):
            self.learned(self.save(name, self.x, y), f"label: 2 classes: {classes}", config="pictures")
        self.learned(self.save("X_train", self.x, self.y, "y_train.npy"), "2 classes", config="pictures")
        self.refused(self.save("short", self.x, self.y[:-1]), "wanted 40 labels, one per sample, got 39", config="pictures")
        self.refused(self.save("gap", self.x, np.where(self.y, np.nan, 0)), "wanted a finite number, got nan", config="pictures")
        self.refused(self.save("none", self.x), "none.labels.npy", config="pictures")

    def test_what_is_no_array_of_numbers(self):
        self.refused(self.save("gap", np.where(self.x == self.x.max(), np.nan, self.x), self.y), "wanted a finite number, got nan", config="pictures")
        self.refused(self.save("objects", self.x.astype(object), self.y), "'|O'", config="pictures")
        self.refused(self.write("data_batch_1", pickle.dumps({b"data": self.x})), "pickle", config="pictures")
        self.save("cut", self.x, self.y)
        self.write("cut.npy", (self.at / "cut.npy").read_bytes()[:-5])
        self.refused("cut.npy", "= 2560 bytes, got 2555", config="pictures")

    def test_divided_already(self):
        for name, x in (("f4", (self.x / 255).astype("f4")), ("bool", self.x > 100), ("signed", (self.x / 127.5 - 1).astype("f4"))):
            self.refused(self.save(name, x, self.y), "they are divided already; try --set preprocess=[]", config="pictures")
            self.learned(f"{name}.npy", config="pictures", more=("--set", "preprocess=[]"))

    def test_archives(self):
        np.savez(self.at / "a.npz", x_train=self.x, y_train=self.y, x_test=self.x[:10], y_test=self.y[:10])
        np.savez_compressed(self.at / "b.npz", x_train=self.x, y_train=self.y, x_test=self.x[:10], y_test=self.y[:10])
        for name in ("a.npz", "b.npz"):
            self.assertEqual(self.learned(name, "read: x_train and y_train", config="pictures")["test"]["samples"], 10)
        np.savez(self.at / "c.npz", a=self.x, b=self.y)
        self.refused("c.npz", "x and y", "got a, b", config="pictures")
        np.savez(self.at / "d.npz", x_train=self.x, y_train=self.y, x_test=self.x[:10, :4], y_test=self.y[:10])
        self.learned("d.npz", "test: 10 pictures of 1×4×8 were brought to 1×8×8", config="pictures")

    def test_signals(self):
        layers = ('{ type = "conv2d", out = 4, kernel = [1, 5] }, { type = "relu" }, { type = "max_pool", size = [1, 28] }, { type = "flatten" }, '
                  '{ type = "linear", out = "classes" }')
        (self.at / "signals.toml").write_text(TABLE.replace(TABLE.split("layers = [")[1].split("]\n")[0], layers).replace('"standardise"', '"mean_subtraction", per_feature = false'))
        hum = np.sin((0.3 + 0.4 * self.y)[:, None] * np.arange(32) + self.random.random((ROWS, 1)) * 6).astype("f4")
        three = np.stack([hum, -hum, hum / 2], 1)
        self.refused(self.save("row", hum, self.y), "--set network.input=[1,1,32] where rows of data are signals", config="signals")
        self.learned("row.npy", "pictures of 1×1×32", config="signals", more=("--set", "network.input=[1,1,32]"))
        self.learned(self.save("one", hum[:, None], self.y), "for 1 channels of 32 readings say --set network.input=[1,1,32]", config="signals")
        self.learned(self.save("three", three, self.y), "pictures 3 high and 32 wide; for 3 channels", config="signals")
        runs = [self.learned(self.save(name, x, self.y), config="signals", more=("--set", "network.input=[3,1,32]"))["test"]
                for name, x in (("nct", three), ("ntc", three.transpose(0, 2, 1)))]
        self.assertEqual(*runs)
        self.refused("one.npy", "wanted samples of 3×1×32, got 1×1×32", config="signals", more=("--set", "network.input=[3,1,32]"))

    def test_classes_that_do_not_occur(self):
        x = self.x[:20, :4, :4]
        for name, labels in (("65535", [0, 65535]), ("65536", [1, 65536]), ("wild", [0, 20000])):
            y = np.array([labels[i % 2] for i in range(20)])
            self.learned(self.save(name, x, y), f"label: 2 classes: {labels[0]} 10, {labels[1]} 10", config="pictures", more=("--epochs", "1"), memory=1 << 30)

    def idx(self, values, kind=8, code=">u1"):
        return struct.pack(f">HBB{values.ndim}I", 0, kind, values.ndim, *values.shape) + values.astype(code).tobytes()

    def test_idx(self):
        images, labels = self.idx(self.x), self.idx(self.y)
        names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")

        def pair(folder, images, labels, names=names):
            for name, content in zip(names, (images, labels)):
                self.write(f"{folder}/{name}", content)
            return folder

        plain = self.converted(pair("plain", images, labels))
        for folder in (pair("dots", images, labels, ("train-images.idx3-ubyte", "train-labels.idx1-ubyte")), pair("packed", gzip.compress(images), labels),
                       pair("zeros", gzip.compress(images) + bytes(512), labels, (names[0] + ".gz", names[1])), pair("ints", images, self.idx(self.y, 12, ">i4"))):
            self.assertEqual(self.converted(folder), plain, folder)
        for kind, code in ((11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")):
            seen = self.converted(pair(code[1:], self.idx(self.x, kind, code), labels))
            self.assertEqual([float(v) for row in seen[1:] for v in row.split(",")], [float(v) for row in plain[1:] for v in row.split(",")], code)
        letters = ("emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte")
        self.learned(pair("letters", images, self.idx(self.y + 1), letters), "2 classes: 1 20, 2 20", config="pictures")
        turned = self.converted(pair("turned", self.idx(self.x.transpose(0, 2, 1)), labels))
        self.assertNotEqual(turned, plain)
        self.learned("turned", config="pictures", more=("--set", "data.transpose=true"))
        self.refused(pair("trailing", images + b"x", labels), "= 2560 bytes, got 2561", config="pictures")
        self.refused(pair("garbage", gzip.compress(images) + b"abc", labels), "followed by 3 bytes of something else", config="pictures")
        self.refused(pair("short", images, self.idx(self.y[:-1])), "wanted 40 labels, one per sample, got 39", config="pictures")
        self.refused(pair("swapped", labels, images), "got labels", config="pictures")


class Folders(Samples):
    def picture(self, kind, mode="L"):
        return Image.fromarray(self.x[kind], "L").convert(mode)

    def save(self, name, image, **how):
        (self.at / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(self.at / name, **how)

    def folder(self, name, classes=("cat", "dog"), count=5, kind="png", **how):
        for k, each in enumerate(classes):
            for i in range(count):
                self.save(f"{name}/{each}/{i}.{kind}", self.picture(2 * i + k % 2), **how)
        return name

    def test_what_is_left_out_is_counted(self):
        self.folder("zoo")
        for kind in ("bmp", "gif", "webp"):
            self.save(f"zoo/cat/other.{kind}", self.picture(0))
        self.save("zoo/loose.png", self.picture(0))
        (self.at / "zoo" / "bird").mkdir()
        self.learned("zoo", "label: 2 classes: cat 5, dog 5", "left out: 1 .bmp, 1 .gif, 1 .webp, 1 empty folder, 1 in no class folder", config="pictures")
        for kind in ("bmp", "gif", "webp"):
            for i in range(10):
                self.save(f"only_{kind}/dog/{i}.{kind}", self.picture(i))
            self.folder(f"only_{kind}", ("cat", "fox"))
            self.refused(f"only_{kind}", f"dog: wanted PNG or JPEG pictures, got 10 .{kind}", config="pictures")

    def test_where_folders_lie(self):
        for train, test in (("train", "test"), ("Train", "Test"), ("training", "testing"), ("train", "val")):
            name = f"{train}-{test}"
            self.folder(f"{name}/{train}")
            self.folder(f"{name}/{test}", count=3)
            run = self.learned(name, "label: 2 classes: cat 8, dog 8", config="pictures")
            self.assertEqual((run["train"]["samples"], run["test"]["samples"]), (10, 6), name)
        for i in range(4):
            self.save(f"flat/{i}.png", self.picture(i))
        self.refused("flat", "a sub-folder of PNG or JPEG pictures per class", config="pictures")
        self.folder("other/train")
        self.folder("other/test", ("cat", "fox"))
        self.refused("other", "got 'fox'; known: cat, dog", config="pictures")

    def test_sizes(self):
        self.folder("sizes")
        self.save("sizes/cat/00.png", self.picture(0, "RGB").resize((2, 2)))
        run = self.learned("sizes", "1 of 11 pictures have another size and were brought to 8×8 (stretch)", "3×8×8", config="pictures")
        self.assertEqual(run["parameters"], 3 * 64 * 8 + 8 + 8 * 2 + 2)
        self.learned("sizes", "were brought to 4×4 (pad)", config="pictures", more=("--set", "data.size=[4,4]", "--set", 'data.fit="pad"'))

    def test_sixteen_bits(self):
        for i in range(3):
            self.save(f"depth/eight/{i}.png", Image.fromarray(np.full((4, 4), 128, np.uint8)))
            self.save(f"depth/sixteen/{i}.png", Image.fromarray(np.full((4, 4), 128 * 257, np.uint16)))
        rows = self.converted("depth")[1:]
        self.assertEqual({row.split(",", 1)[1] for row in rows}, {",".join(["128"] * 16)})

    def test_turned_by_a_camera(self):
        tag = Image.Exif()
        tag[0x0112] = 3
        half = np.full((16, 16), 60, np.uint8)
        half[8:] = 200
        for i in range(3):
            self.save(f"camera/turned/{i}.jpg", Image.fromarray(half), exif=tag, quality=95)
            self.save(f"camera/upright/{i}.jpg", Image.fromarray(half), quality=95)
        first = {row.split(",")[0]: int(row.split(",")[1]) for row in self.converted("camera")[1:]}
        self.assertEqual((first["turned"] > 190, first["upright"] < 70), (True, True))

    def test_only_transparent(self):
        clear = np.zeros((8, 8, 4), np.uint8)
        for k, each in enumerate(("cat", "dog")):
            for i in range(3):
                clear[..., 0] = 20 * i + k
                self.save(f"clear/{each}/{i}.png", Image.fromarray(clear))
        self.refused("clear", "all alike; transparent places count as white", config="pictures")

    def test_damaged(self):
        gif, webp = io.BytesIO(), io.BytesIO()
        self.picture(0).save(gif, "GIF")
        self.picture(0).save(webp, "WEBP")
        self.folder("whole")
        cut = (self.at / "whole/dog/4.png").read_bytes()[:-30]
        for name, content, said in (("gif", gif.getvalue(), "got a GIF"), ("webp", webp.getvalue(), "got a WebP"), ("html", b"<!DOCTYPE html><html>404</html>", "got a web page"),
                                    ("cut", cut, "the file is cut short"), ("nothing", b"", "got an empty file")):
            self.folder(name)
            self.write(f"{name}/dog/4.png", content)
            self.refused(name, f"{name}/dog/4.png", said, "data.skip_bad=true", config="pictures")
            self.learned(name, "cat 5, dog 4", "left out: 1 ", config="pictures", more=("--set", "data.skip_bad=true"))

    def test_names(self):
        self.folder("numbers", [str(i) for i in range(12)], count=2)
        classes = self.soma("data", "info", "numbers")[1]
        self.assertLess(classes.index("│ 2 "), classes.index("│ 10 "))
        self.folder("letters", ("žlutý", "кот", "a, b"))
        self.learned("letters", "žlutý 5", "кот 5", "a, b 5", config="pictures")
        os.rename(os.fsencode(self.at / "letters" / "кот"), os.fsencode(self.at / "letters") + b"/caf\xe9")
        self.refused("letters", "wanted class names in UTF-8, got 'caf\\xe9'", config="pictures")
        os.rename(os.fsencode(self.at / "numbers"), os.fsencode(self.at) + b"/donn\xe9es")
        self.refused(b"donn\xe9es", "wanted a path in UTF-8", "donn\\xe9es", config="pictures")

    def test_there_and_back(self):
        self.folder("pictures")
        self.learned("pictures", config="pictures")
        status, _, err = self.soma("data", "convert", "pictures", "table.csv")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(self.soma("eval", "run/model.onnx", "--data", "table.csv"), self.soma("eval", "run/model.onnx", "--data", "pictures"))
        self.learned("table.csv", "label 'label': 2 classes: cat 5, dog 5")


if __name__ == "__main__":
    unittest.main()
