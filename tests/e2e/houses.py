# a directory → a table of houses, and configs that learn a value, labels, or the rows themselves from it.
import random

LABELS = {"values": 'label = "price"\nignore = ["large", "dear"]', "labels": 'label = ["large", "dear"]\nignore = ["price"]',
          "reconstruct": 'task = "reconstruct"\nignore = ["price", "large", "dear"]'}


def houses(place):
    """Returns the table and {task: config}."""
    random.seed(7)
    rows = ["rooms,area,city,price,large,dear"]
    for _ in range(240):
        rooms, city = random.randint(1, 6), random.choice(["Basel", "Bern", "Genf"])
        area = 22 * rooms + random.gauss(0, 4)
        price = area * {"Basel": 6, "Bern": 5, "Genf": 9}[city]
        rows.append(f"{rooms},{area:.1f},{city},{price:.1f},{int(area > 80)},{int(price > 500)}")
    (place / "houses.csv").write_text("\n".join(rows) + "\n")
    configs = {}
    for task, label in LABELS.items():
        configs[task] = place / f"{task}.toml"
        configs[task].write_text(f"""name = "{task}"
preprocess = [{{ kind = "impute" }}, {{ kind = "one_hot" }}, {{ kind = "standardise" }}]
[data]
{label}
[network]
layers = [{{ type = "linear", out = 16 }}, {{ type = "relu" }}, {{ type = "linear", out = "targets" }}]
[optimizer]
kind = "adam"
rate = 0.01
""")
    return place / "houses.csv", configs
