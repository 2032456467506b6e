# synthetic readings, with a known difference and without one → the verdicts and tables of bench/regress and bench/compare.
import importlib.machinery
import importlib.util
import json
import random
import sys
import tempfile
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.dont_write_bytecode = True
sys.path.insert(0, str(BENCH))
import readings


def program(name):
    loader = importlib.machinery.SourceFileLoader(name, str(BENCH / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def noisy(seed, factor=1.0, noise=0.01, rounds=7):
    numbers = random.Random(seed)
    return [factor * (1 + noise * numbers.gauss(0, 1)) for _ in range(rounds)]


class Slower(unittest.TestCase):
    def verdict(self, factor, noise, seed=0):
        return readings.slower(noisy(3 * seed, 1, noise), noisy(3 * seed + 1, 1, noise), noisy(3 * seed + 2, factor, noise))[0]

    def test_a_tenth_slower_is_found(self):
        self.assertTrue(all(self.verdict(1.1, 0.01, seed) for seed in range(200)))

    def test_the_same_program_is_rarely_accused_and_a_faster_one_never(self):
        self.assertLessEqual(sum(self.verdict(1.0, 0.01, seed) for seed in range(200)), 2)
        self.assertFalse(any(self.verdict(0.9, 0.01, seed) for seed in range(200)))

    def test_what_drowns_in_noise_is_no_verdict(self):
        self.assertLessEqual(sum(self.verdict(1.02, 0.3, seed) for seed in range(200)), 20)

    def test_a_slow_moment_that_meets_all_three_drops_out(self):
        moments = [1, 1, 5, 1, 3, 1, 1]
        old, again, new = ([a * b for a, b in zip(noisy(seed), moments)] for seed in (1, 2, 3))
        self.assertFalse(readings.slower(old, again, new)[0])
        self.assertTrue(readings.slower(old, again, [1.1 * each for each in new])[0])

    def test_unequal_numbers_of_rounds_are_an_error(self):
        with self.assertRaises(ValueError):
            readings.ratios([1, 2], [1, 2, 3])


class Judge(unittest.TestCase):
    def test_the_slower_work_is_named_and_the_other_is_not(self):
        turns = lambda seed, factor: [{"steady": a, "slipped": b} for a, b in zip(noisy(seed), noisy(seed + 9, factor))]
        rows, worse = program("regress").judge(turns(1, 1), turns(2, 1), turns(3, 1.2))
        self.assertEqual(worse, ["slipped"])
        self.assertEqual([row[-1] for row in rows], ["", "SLOWER"])

    def test_a_work_only_one_of_them_knows_is_left_out(self):
        rows, worse = program("regress").judge([{"a": 1.0}] * 7, [{"a": 1.0}] * 7, [{"a": 1.0, "b": 9.0}] * 7)
        self.assertEqual(([row[0] for row in rows], worse), (["a"], []))


class Compare(unittest.TestCase):
    def record(self, soma, **peers):
        return {"what": "gemm", "work": "64×128×6272", "pass": "forward", "threads": 1, "flops": 1e9, "machine": "here", "target": "avx2",
                "compiler": "g++", "versions": {"peer": "1"}, "seconds": {"soma": soma} | peers}

    def test_soma_is_held_against_the_fastest_peer_round_by_round(self):
        row = program("compare").row(self.record([1.0, 2.0, 4.0], slow=[9.0, 9.0, 9.0], quick=[2.0, 4.0, 8.0]))
        self.assertEqual(row[-3:], ["quick", "4.00 s (3.00–6.00)", "2.00 (2.00–2.00)"])

    def test_a_work_taken_again_replaces_its_readings(self):
        with tempfile.TemporaryDirectory() as place:
            lines = [self.record([1.0], peer=[2.0]), self.record([3.0], peer=[3.0])]
            (Path(place) / "readings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            records = program("compare").load(Path(place))
            self.assertEqual([each["seconds"]["soma"] for each in records], [[3.0]])
            self.assertIn("1.00 (1.00–1.00)", program("compare").tables(records))


class Words(unittest.TestCase):
    def test_times_are_told_in_the_unit_of_their_median(self):
        self.assertEqual(readings.with_spread([0.0012, 0.0013, 0.0014]), "1.30 ms (1.25–1.35)")
        self.assertEqual(readings.with_spread([3e-8]), "30.0 ns (30.0–30.0)")
        self.assertEqual(readings.with_spread([12.0]), "12.0 s (12.0–12.0)")

    def test_a_program_that_fails_is_named(self):
        with self.assertRaisesRegex(SystemExit, "compare: false ended with status 1"):
            readings.json_lines("compare", ["false"])


if __name__ == "__main__":
    unittest.main()
