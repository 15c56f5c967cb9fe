#!/bin/sh
# Training with real PyTorch (Debian: python3-torch) that uses the Guard of hooks/python: asked for memory it saves
# and goes on, its loaders too.
for python in /usr/bin/python3 python3; do
	$python -c 'import torch' 2>/dev/null && break
	python=
done
if [ -z "$python" ]; then
	echo "skip a Guard in real PyTorch: needs python3-torch"
	exit 0
fi
. "$(dirname "$0")/detect/lib.sh"
PYTHONPATH=$here/../hooks/python
export PYTHONPATH
until_true() { tries=0; until "$@"; do tries=$((tries + 1)); [ $tries -lt 1200 ] || return 1; sleep 0.05; done; }
cd "$d" || exit 1
cat >train.py <<'P'
import os, time
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from holdfast import Guard

class Data(Dataset):
    def __len__(self):
        return 1600
    def __getitem__(self, i):
        return torch.rand(1, 16, 16)

torch.set_num_threads(1)
net, step = nn.Conv2d(1, 4, 3), 0
opt = torch.optim.SGD(net.parameters(), lr=0.01)
with Guard("last.pt", lambda path: torch.save({"net": net.state_dict(), "step": step}, path)) as guard:
    print("ready", flush=True)
    for x in DataLoader(Data(), batch_size=8, num_workers=2):
        opt.zero_grad()
        net(x).pow(2).mean().backward()
        opt.step()
        step += 1
        guard.step()
        while step >= 100 and not os.path.exists("go"):     # until the test has asked
            guard.step()
            time.sleep(0.01)
print("finished after", step, flush=True)
P
"$bin/detect" run --need 1M --no-snapshot -- $python train.py >out 2>err &
run=$!
trap 'kill $run 2>/dev/null; chmod -R u+rwx "$d" 2>/dev/null; rm -rf "$d"' EXIT
check "it trains" until_true grep -q ready out
pid=$("$bin/detect" runs --json -n 1 | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["pid"])')
workers() { [ "$(wc -w <"/proc/$pid/task/$pid/children")" -ge 2 ]; }
check "with loaders" until_true workers
# As the monitor asks, and harder: the loaders get it too.
for p in $pid $(cat "/proc/$pid/task/$pid/children"); do kill -USR2 "$p"; done
check "asked, it saves" until_true test -s last.pt
check "what can be loaded" $python -c 'import torch; s = torch.load("last.pt"); assert s["step"] > 0 and s["net"]["weight"].shape[0] == 4'
check "and says so" until_true sh -c 'grep -q "caches freed, saved last.pt" "$1"/runs/*/answer' - "$HOLDFAST_STATE"
touch go
wait $run
check "it came to its end" [ $? = 0 ]
says "after all steps" out 'finished after 200'
exit $bad
