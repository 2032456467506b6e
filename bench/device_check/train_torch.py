# MNIST on a CUDA GPU → the same networks in PyTorch: seconds of an epoch, eager and with the training step in a CUDA graph.
import os
import sys
import time
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True
D = sys.argv[1]; dev = "cuda"
def idx(n, off): return np.fromfile(os.path.join(D, n), dtype=np.uint8)[off:]
X = torch.from_numpy(idx("train-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).copy()).to(dev)
Y = torch.from_numpy(idx("train-labels-idx1-ubyte", 8).astype(np.int64)).to(dev)
XT = torch.from_numpy(idx("t10k-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).copy()).to(dev)
YT = torch.from_numpy(idx("t10k-labels-idx1-ubyte", 8).astype(np.int64)).to(dev)
def mlp(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
def cnn(): return nn.Sequential(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6272, 128), nn.ReLU(), nn.Linear(128, 10))
def lenet(): return nn.Sequential(nn.Conv2d(1, 24, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(24, 32, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(800, 256), nn.ReLU(), nn.Linear(256, 10))
def iris():
    l = []; i = 4
    for o in (1600, 2600, 1600, 2500, 1): l += [nn.Linear(i, o), nn.Sigmoid()]; i = o
    return nn.Sequential(*l)
def run(name, make, batch, epochs, graph, lr, l2=0.0):
    torch.manual_seed(1)
    is_iris = name.startswith("iris")
    net = make().to(dev)
    if not is_iris: net = net.to(memory_format=torch.channels_last)
    opt = torch.optim.Adam(net.parameters(), lr=lr, weight_decay=l2, fused=True, capturable=graph)
    x = torch.randn(120, 4, device=dev) if is_iris else X
    y = (torch.arange(120, device=dev) % 3 * 0.5)[:, None] if is_iris else Y
    n = len(y); order = torch.randperm(n, device=dev); start = torch.zeros(1, dtype=torch.int64, device=dev); ar = torch.arange(batch, device=dev)
    total = torch.zeros(1, device=dev)
    def step(rows):
        i = order.index_select(0, (start + ar)[:rows])
        xb = x.index_select(0, i); yb = y.index_select(0, i)
        if not is_iris: xb = (xb.float() / 255).contiguous(memory_format=torch.channels_last)
        opt.zero_grad(set_to_none=not graph)
        out = net(xb)
        loss = F.mse_loss(out, yb) if is_iris else F.cross_entropy(out, yb)
        loss.backward(); opt.step(); total.add_(loss.detach()); start.add_(rows)
    full, rest = n // batch, n % batch
    if graph:
        s = torch.cuda.Stream(); s.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(s):
            for _ in range(3): start.zero_(); step(batch)
        torch.cuda.current_stream().wait_stream(s)
        g = torch.cuda.CUDAGraph(); start.zero_()
        with torch.cuda.graph(g): step(batch)
    times = []
    for e in range(epochs):
        torch.cuda.synchronize(); t = time.perf_counter()
        order.copy_(torch.randperm(n, device=dev)); start.zero_(); total.zero_()
        for _ in range(full): g.replay() if graph else step(batch)
        if rest: step(rest)
        torch.cuda.synchronize(); times.append(time.perf_counter() - t)
    acc = -1
    if not is_iris:
        with torch.no_grad(): acc = (torch.cat([net(XT[i:i+1000].float().div(255).contiguous(memory_format=torch.channels_last)) for i in range(0, 10000, 1000)]).argmax(1) == YT).float().mean().item()
    m = sorted(times[1:])[len(times[1:]) // 2]
    print(f"torch {name:12s} batch {batch:3d} {'graph' if graph else 'eager'}: epoch median {m:.5f} s ({m / (full + (1 if rest else 0)) * 1e6:.1f} us a step), {epochs} epochs {sum(times):.3f} s, test {acc:.4f}", flush=True)
print(torch.__version__, torch.cuda.get_device_name())
for graph in (False, True):
    run("mnist-cnn", cnn, 64, 10 if graph else 4, graph, 1e-3, 1e-4)
    run("mnist-mlp", mlp, 64, 10 if graph else 4, graph, 2e-3)
    run("mnist-lenet", lenet, 256, 5, graph, 3e-3)
    run("iris-large", iris, 3, 10, graph, 1e-4)
    run("iris-large", iris, 10, 10, graph, 1e-4)
