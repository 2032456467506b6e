# tables as people have them, a test for each kind of trouble → rows that are learned from, or one line that says why not.
import pickle
import sys
import unittest

import data_kind
from data_kind import PICTURES, ROWS, TABLE, Kind

import numpy as np

data_kind.SOMA = sys.argv.pop(1)


class Tables(Kind):
    def setUp(self):
        super().setUp()
        self.x = np.round(self.random.normal(size=(ROWS, 2)) + 2 * (np.arange(ROWS) % 2)[:, None], 2)
        self.words = ["yes" if i % 2 else "no" for i in range(ROWS)]

    def table(self, name, head="x,y,label", row="{x:.2f},{y:.2f},{label}", end="\n", encoding="utf-8", swap=("", "")):
        lines = ([head] if head else []) + [
            row.format(i=i, x=x, y=y, label=label) for i, ((x, y), label) in enumerate(zip(self.x, self.words))]
        return self.write(name, "".join(line.replace(*swap) + end if swap[0] else line + end for line in lines).encode(encoding))

    def test_label_first(self):
        pixels = ",".join(f"pixel{i}" for i in range(4))
        for name in ("label", "Class", " target "):
            self.table("first.csv", f"{name},{pixels}", "{label},{x},{y},0,0")
            self.learned("first.csv", f"label '{name.strip()}': 2 classes: no 20, yes 20")
        self.table("words.csv", "species,x,z", "{label},{x},{y}")
        self.learned("words.csv", "for classes say --label species")

    def test_name_twice(self):
        self.table("twice.csv", "a,a,label")
        self.refused("twice.csv", "'a' for columns 1 and 2")
        self.table("blank.csv", "a, a ,label")
        self.refused("blank.csv", "'a' for columns 1 and 2")

    def test_dialects(self):
        self.table("plain.csv")
        plain = self.converted("plain.csv")
        self.table("semicolons.csv", "x;y;label", "{x:.2f};{y:.2f};{label}")
        self.table("commas.csv", "x;y;label", "{x:.2f};{y:.2f};{label}", swap=(".", ","))
        self.table("quoted.csv", row='"{x:.2f}","{y:.2f}",{label}', swap=(".", ","))
        self.table("quoted_names.csv", '"x","y","label"', '"{x:.2f}","{y:.2f}","{label}"', encoding="utf-8-sig")
        self.table("tabs.tsv", "x\ty\tlabel", "{x}\t{y}\t{label}")
        self.table("tabs_and_commas.tsv", "x\ty\tlabel", "{x}\t{y}\t{label}", swap=(".", ","))
        self.table("blanks.data", "x y label", "{x:8.2f}  {y:8.2f} {label}")
        self.table("bars.csv", "x|y|label", "{x}|{y}|{label}")
        self.table("sep.csv", "sep=;\nx;y;label", "{x};{y};{label}")
        self.table("returns.csv", end="\r")
        self.table("windows.csv", end="\r\n")
        self.table("wide.csv", encoding="utf-16")
        self.table("comments.csv", "# by hand\n# in May\nx,y,label")
        for path in sorted(self.at.glob("*.*sv")) + [self.at / "blanks.data"]:
            if path.name != "seen.csv":
                self.assertEqual(self.converted(path.name), plain, path.name)
        self.table("nohead.csv", "", "{x:.2f};{y:.2f};{label}", swap=(".", ","))
        self.learned("nohead.csv", "2 classes: no 20, yes 20", "decimal commas")

    def test_separators_nobody_found(self):
        self.table("colons.csv", "x:y:label", "{x}:{y}:{label}")
        self.refused("colons.csv", "data.delimiter")
        self.learned("colons.csv", "2 classes", more=("--set", 'data.delimiter=":"'))

    def test_other_formats_are_named(self):
        self.table("a.libsvm", "", "{i} 1:{x} 2:{y}")
        self.refused("a.libsvm", "libsvm")
        self.table("a.arff", "@relation r\n@attribute x numeric\n@attribute y numeric\n@attribute label {no,yes}\n@data")
        self.refused("a.arff", "ARFF")
        self.refused(self.write("a.pkl", pickle.dumps({"x": self.x})), "pickle")
        self.refused(self.write("a.json", '[{"x": 1, "label": "a"}]'), "JSON")
        self.refused(self.write("a.html", "<!DOCTYPE html><html></html>"), "web page")

    def test_labels_are_text(self):
        for names in (["9007199254740992", "9007199254740993", "9007199254740994"], ["01234", "1234", "02138"], ["1.1", "1.10", "2e3"],
                      ["12345678901234567890", "12345678901234567891", "7"]):
            rows = [f"{x},{y},{names[i % 3]}" for i, (x, y) in enumerate(self.x)]
            self.write("names.csv", "\n".join(["x,y,id", *rows]) + "\n")
            self.learned("names.csv", "3 classes")
            self.assertEqual({line.split(",")[-1] for line in self.converted("names.csv")[1:]}, set(names))

    def test_cells_without_a_value(self):
        for word in ("", "NA", "nan", "NULL", "?", "-", "N/A"):
            self.table("gap.csv")
            lines = (self.at / "gap.csv").read_text().splitlines()
            lines[5] = f"{word},1,no"
            self.write("gap.csv", "\n".join(lines) + "\n")
            step = self.refused("gap.csv", "got 1 without in x (1)", pasted=True)
            (self.at / "filled.toml").write_text(TABLE.replace("preprocess = [", f"preprocess = [{step}, "))
            self.learned("gap.csv", "filled", config="filled")
        lines[5] = "None,1,no"
        self.write("gap.csv", "\n".join(lines) + "\n")
        self.refused("gap.csv", "gap.csv:6:1: column 'x': wanted a number, got 'None'", 'data.missing=["None"]')
        self.refused("gap.csv", "got 1 without in x (1)", more=("--set", 'data.missing=["None"]'), pasted=True)

    def test_mostly_without_a_value(self):
        for word, pasted in (("NA", True), ("None", False)):
            rows = [f"{x},{y if i % 3 == 0 else word},{label}" for i, ((x, y), label) in enumerate(zip(self.x, self.words))]
            self.write("mostly.csv", "\n".join(["x,y,label", *rows]) + "\n")
            self.refused("mostly.csv", "'y'" if not pasted else "y (26)", pasted=pasted)
        rows = [f"{x},{i if i % 3 == 0 else 'none'},{label}" for i, ((x, _), label) in enumerate(zip(self.x, self.words))]
        self.write("whole.csv", "\n".join(["x,y,label", *rows]) + "\n")
        self.learned("whole.csv", "column 'y': 14 numbers among 26 words, read as words too", 'data.missing=["none"]')

    def test_passengers(self):
        rows = [f'{i + 1},{i % 2},{1 + i % 3},"Doe, Mr. J{i}",{"fe" * (i % 2)}male,{"" if i % 10 == 9 else 20 + i},{7.25 + i},{"CS"[i % 2]}' for i in range(ROWS)]
        self.write("crew.csv", "\n".join(["Id,Survived,Class level,Name,Sex,Age,Fare,Port", *rows]) + "\n")
        self.refused("crew.csv", "Age (4)", pasted=True)
        steps = '{ kind = "impute" }, { kind = "one_hot" }, '
        (self.at / "filled.toml").write_text(TABLE.replace("preprocess = [", "preprocess = [" + steps))
        self.learned("crew.csv", "label 'Survived': 2 classes", "'Name' holds 40 different words", "'Id' counts the rows", config="filled",
                     more=("--set", 'data.label="Survived"'))

    def test_latin1(self):
        self.words = ["Málaga" if i % 2 else "Köln" for i in range(ROWS)]
        for name, head, row in (("label", "größe,y,city", "{x},{y},{label}"), ("word", "x,town,n", "{x},{label},{y}")):
            self.table(f"{name}.csv", head, row, encoding="latin-1")
            self.table(f"{name}8.csv", head, row)
            self.learned(f"{name}.csv", "Latin-1", more=("--label", head.split(",")[-1]))
            self.assertEqual(self.converted(f"{name}.csv"), self.converted(f"{name}8.csv"))

    def test_a_number_to_predict(self):
        for name, price in (("whole", lambda i: 100000 + 37 * i * i), ("fractions", lambda i: 14409.5 + 37.3 * i), ("ratings", lambda i: [1.5, 2.5, 3.5, 4.25][i % 4])):
            self.write(f"{name}.csv", "\n".join(["rooms,area,price", *(f"{1 + i % 5},{30 + 3 * i},{price(i)}" for i in range(60))]) + "\n")
            run = self.learned(f"{name}.csv", "1 number to predict: price", "for classes say --set data.task=classes")
            self.assertIn("rmse", run["test"])

    def test_one_class(self):
        self.words = ["no"] * ROWS
        self.table("one.csv")
        self.refused("one.csv", "got 'no' alone in column 'label'", "--label")

    def test_forms_of_numbers(self):
        def column(form, *said):
            rows = [f'"{form(i)}",{y},{label}' for i, ((_, y), label) in enumerate(zip(self.x, self.words))]
            self.write("form.csv", "\n".join(["x,z,label", *rows]) + "\n")
            self.learned("form.csv", *said)
            return [line.split(",")[0] for line in self.converted("form.csv")[1:]]

        for mark in (",", " ", "'", "\u00a0", "\u202f"):
            self.assertEqual(column(lambda i, mark=mark: f"1{mark}{300 + i}", "marks between thousands left out"), [str(1300 + i) for i in range(ROWS)])
        self.assertEqual(column(lambda i: f"{i}%", "5% is read as 5")[7], "7")
        self.assertEqual(column(lambda i: "1e-400" if i == 4 else i + 1)[4], "0")
        self.assertEqual(column(lambda i: ["TRUE", "FALSE"][i % 3 % 2])[1], "FALSE")
        column(lambda i: f"2020-01-{i % 28 + 1:02}", "holds dates: left out")
        column(lambda i: f"${i}", "holds 40 different words in 40 rows: left out")
        self.table("over.csv")
        self.write("over.csv", (self.at / "over.csv").read_text().replace(f"\n{self.x[3][0]:.2f},", "\n1e400,", 1))
        self.refused("over.csv", "over.csv:5:1: column 'x': wanted a number, got '1e400'")
        self.write("mixed.csv", "\n".join(["x,z,label", *(f"{i}{'%' * (i % 2)},1,{'ab'[i % 2]}" for i in range(ROWS))]) + "\n")
        self.refused("mixed.csv", "20 with % and 20 without")

    def test_words_never_seen(self):
        self.table("seen.csv", "x,town,label", "{x},Rome,{label}")
        text = (self.at / "seen.csv").read_text().replace("Rome,no", "Oslo,no", 7)
        self.write("known.csv", text)
        self.write("other.csv", text.replace("Oslo", "OSLO"))
        self.learned("known.csv", "1 of words")
        said = "column 'town': 7 of 40 cells hold words that training never showed, such as 'OSLO'"
        self.assertIn(said, self.soma("eval", "run/model.onnx", "--data", "other.csv")[1])
        self.learned("known.csv", "test: " + said, more=("--set", "data.test=other.csv"))
        self.write("labels.csv", text.replace(",yes", ",maybe"))
        self.assertIn("'maybe': wanted 'no' or 'yes'", self.soma("eval", "run/model.onnx", "--data", "labels.csv")[2])

    def test_resume_on_other_data(self):
        self.table("work.csv")
        self.learned("work.csv")
        first = (self.at / "work.csv").read_text()
        more_rows = first + "".join(f"{i / 7:.2f},1,no\n" for i in range(60))
        for changed, said in ((first.replace("yes", "a_yes"), "label: no, yes"), (more_rows, "as many samples"), (first.replace("x,y", "y,x"), "columns: x, y"),
                              (first.replace(f"\n{self.x[3][0]:.2f},", "\n99,", 1), "hash")):
            self.write("work.csv", changed)
            status, _, err = self.soma("train", "--resume", "run", "--epochs", "14", "--quiet")
            self.assertEqual((status, err.count("\n")), (1, 1), err)
            self.assertIn(said, err)
        self.write("work.csv", first)
        self.assertEqual(self.soma("train", "--resume", "run", "--epochs", "14", "--quiet")[0], 0)

    def test_batches_of_one(self):
        (self.at / "norm.toml").write_text(TABLE.replace('{ type = "relu" }', '{ type = "batch_norm" }'))
        self.table("a.csv")
        self.refused("a.csv", "batch norm 'batch_norm1'", config="norm", more=("--batch", "1"))
        self.refused("a.csv", "got 1 in the last of 32 samples in batches of 31", config="norm", more=("--batch", "31"))

    def test_the_same_directory(self):
        self.table("a.csv")
        self.learned("a.csv")
        before = (self.at / "run" / "config.toml").read_bytes()
        status, _, err = self.soma("train", "table.toml", "--data", "a.csv", "--out", "run", "--set", "optimizer.rate=0.5")
        self.assertEqual((status, err.count("\n")), (1, 1))
        self.assertIn("--force", err)
        self.assertEqual((self.at / "run" / "config.toml").read_bytes(), before)

    def test_all_of_it_to_train_on(self):
        self.table("a.csv")
        run = self.learned("a.csv", more=("--set", "data.test_fraction=0"))
        self.assertEqual(run["samples"], ROWS)

    def test_rows_are_pictures(self):
        rows = [",".join(map(str, [i % 2, *self.random.integers(0, 120, 16) + 100 * (i % 2)])) for i in range(ROWS)]
        self.write("kaggle.csv", "\n".join(["label," + ",".join(f"pixel{i}" for i in range(16)), *rows]) + "\n")
        layers = '{ type = "conv2d", out = 4, kernel = 3 }, { type = "relu" }, { type = "flatten" }, { type = "linear", out = "classes" }'
        (self.at / "cnn.toml").write_text(PICTURES.replace(PICTURES.split("layers = [")[1].split("]\n")[0], layers))
        self.refused("kaggle.csv", "network.input=[1,4,4]", config="cnn")
        self.learned("kaggle.csv", "pictures of 1×4×4", "label 'label'", config="cnn", more=("--set", "network.input=[1,4,4]"))


if __name__ == "__main__":
    unittest.main()
