import os

from test_cli_hostile import *  # noqa
from test_cli_hostile import storm

for _n in [n for n in dir() if n.startswith("test_")]:
    del globals()[_n]


def test_adhoc(world, bounded):
    import time

    t = time.time()
    wrong, slowest = storm(int(os.environ["SEED"]), int(os.environ["COUNT"]), world)
    print("took", time.time() - t)
    for w in slowest:
        print(round(w[0], 2), [x[:60] for x in w[1]])
    for number, line, code, err in wrong:
        print("=====", number, [x[:80] for x in line])
        print(str(code)[-900:])
