# a file's name → a table with a column of words and two classes that a network mixes up here and there.
import math


def flowers(file):
    rows = ["length,width,colour,kind"]
    for i in range(160):
        kind = i % 2
        rows.append(f"{4 + kind + math.sin(i * 7.1):.3f},{2 + math.cos(i * 3.3):.3f},{['red', 'white', 'blue'][i % 3]},{['rose', 'lily'][kind]}")
    file.write_text("\n".join(rows) + "\n")
