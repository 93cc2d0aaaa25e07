"""Objects, strings, dictionaries and a round of JSON: an ordinary script."""
import json
import re


class Node:
    def __init__(self, key, parent):
        self.key = key
        self.parent = parent
        self.children = []


def rows(n):
    seed = 1
    for i in range(n):
        seed = (seed * 1103515245 + 12345) % 2**31
        yield {"id": i, "name": "x" * (seed % 50) + str(seed), "tags": [str(seed % k) for k in (7, 11, 13)]}


table = list(rows(20000))
text = json.dumps(table)
again = json.loads(text)
assert again == table
index = {}
for row in again:
    for tag in row["tags"]:
        index.setdefault(tag, []).append(row["name"])
nodes = [Node("root", None)]
for i in range(60000):
    parent = nodes[i // 3]
    nodes.append(Node(f"{parent.key[-20:]}/{i}", parent))
    parent.children.append(nodes[-1])
words = re.findall(r"[a-z]+\d+", text)
big = b"".join(n.key.encode() for n in nodes)
print(len(text), len(index), sum(map(len, index)), len(words), len(big), sum(big) % 1000003)
