"""Inside PyTorch: values, gradients of both orders, its own checks of operators, its own samples."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

torch = pytest.importorskip("torch")
ours = pytest.importorskip("unstride.frameworks.torch")
nn, F = torch.nn, torch.nn.functional

pytestmark = pytest.mark.parity

NAMES = ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)


def integers(*shape: int, dtype: Any = None) -> Any:
    return torch.randint(-4, 5, shape).to(dtype or torch.float32)


def cases(name: str) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Calls of one function on small integers."""
    rank = int(name[-2])
    size = {1: (9,), 2: (6, 5), 3: (4, 3, 5)}[rank]
    kernel = {1: (4,), 2: (3, 2), 3: (2, 3, 1)}[rank]
    settings = product((1, 2, 3), (0, 1), (1, 2), (1, 2), (True, False))
    for stride, padding, dilation, groups, biased in settings:
        words: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        x = integers(2, 4, *size)
        if "transpose" in name:
            words["output_padding"] = max(stride, dilation) - 1
            weight, made = integers(4, 3, *kernel), 3 * groups
        else:
            weight, made = integers(6, 4 // groups, *kernel), 6
        yield (x, weight, integers(made) if biased else None), words


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_values_and_gradients_are_torchs(name: str, last: bool) -> None:
    mine, stock = getattr(ours, name), getattr(F, name)
    compared = 0
    for (x, weight, bias), words in cases(name):
        given = [each for each in (x, weight, bias) if each is not None]
        if last:
            given[0] = x.movedim(1, -1).contiguous().movedim(-1, 1)
        try:
            wanted = stock(x, weight, bias, **words)
        except RuntimeError:
            with pytest.raises(RuntimeError):
                mine(x, weight, bias, **words)
            continue
        leaves = [each.clone().requires_grad_() for each in given]
        theirs = [each.clone().requires_grad_() for each in (x, weight, *given[2:])]
        y, z = mine(*leaves, **words), stock(*theirs, **words)
        seed = integers(*wanted.shape)
        y.backward(seed)
        z.backward(seed)
        assert torch.equal(y, z)
        assert torch.equal(mine(given[0], weight, bias, **words), wanted)
        for leaf, their in zip(leaves, theirs, strict=True):
            assert torch.equal(leaf.grad, their.grad)
        compared += 1
    assert compared > 20


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose1d", "conv_transpose3d"])
def test_gradients_of_both_orders(name: str) -> None:
    function = getattr(ours, name)
    rank = int(name[-2])
    x = torch.randn(2, 2, *(3, 4, 2)[:rank], dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 2, *(2, 3, 2)[:rank], dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)

    def call(*arrays: Any) -> Any:
        return function(*arrays, stride=2, padding=1)

    assert torch.autograd.gradcheck(call, (x, weight, bias))
    assert torch.autograd.gradgradcheck(call, (x, weight, bias))


@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_opcheck(transposed: bool, last: bool) -> None:
    x = torch.randn(2, 4, 5, 6)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    weight = torch.randn(4, 3, 3, 2) if transposed else torch.randn(6, 4, 3, 2)
    size = [9, 10] if transposed else [2, 3]
    relation = ([2, 2], [1, 1], [1, 1], size, 1, transposed)
    bias = torch.randn(3 if transposed else 6)
    given = [each.requires_grad_() for each in (x, weight, bias)]
    torch.library.opcheck(torch.ops.unstride.apply.default, (*given, *relation))
    grad = torch.randn(2, len(bias), *size, requires_grad=True)
    kernel = ([2, 2], [1, 1], [1, 1], [3, 2], 1, transposed)
    torch.library.opcheck(torch.ops.unstride.weight_gradient.default, (given[0], grad, *kernel))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", NAMES)
def test_opinfo_samples(name: str) -> None:
    """PyTorch's own sample inputs, gradients included."""
    op_db = pytest.importorskip("torch.testing._internal.common_methods_invocations").op_db
    (info,) = [each for each in op_db if each.name == f"nn.functional.{name}"]
    count = 0
    for sample in info.sample_inputs("cpu", torch.float64, requires_grad=True):
        mine = getattr(ours, name)(sample.input, *sample.args, **sample.kwargs)
        wanted = info.op(sample.input, *sample.args, **sample.kwargs)
        torch.testing.assert_close(mine, wanted)
        leaves = [sample.input, *(each for each in sample.args if isinstance(each, torch.Tensor))]
        seed = torch.randn_like(wanted)
        for one, other in zip(
            torch.autograd.grad(mine, leaves, seed), torch.autograd.grad(wanted, leaves, seed), strict=True
        ):
            torch.testing.assert_close(one, other)
        count += 1
    assert count >= 5


def test_vmap_jvp_and_func_grad() -> None:
    x, weight = torch.randn(3, 2, 4, 5, 5), torch.randn(4, 2, 3, 3)

    def call(one: Any, kernel: Any) -> Any:
        return ours.conv_transpose2d(one, kernel, stride=2)

    def stock(one: Any, kernel: Any) -> Any:
        return F.conv_transpose2d(one, kernel, stride=2)

    torch.testing.assert_close(torch.vmap(call, (0, None))(x, weight), torch.vmap(stock, (0, None))(x, weight))
    kernels = torch.randn(3, 4, 2, 3, 3)
    torch.testing.assert_close(torch.vmap(call)(x, kernels), torch.vmap(stock)(x, kernels))
    mine = torch.func.grad(lambda k: call(x[0], k).square().sum())(weight)
    torch.testing.assert_close(mine, torch.func.grad(lambda k: stock(x[0], k).square().sum())(weight))


def cubes(function: Any, weight: Any) -> Any:
    return lambda x: function(x, weight, stride=2).pow(3).sum()


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # PyTorch's own, for its tangents
@pytest.mark.parametrize(
    ("strategy", "vectorize"), [("reverse-mode", False), ("reverse-mode", True), ("forward-mode", True)]
)
def test_jacobians_and_hessians(strategy: str, vectorize: bool) -> None:
    """Batches of gradients, which PyTorch makes by an older vmap, and tangents, which no operator of ours carries."""
    x, weight = (torch.randn(*shape, dtype=torch.float64) for shape in ((1, 2, 4), (2, 3, 3)))
    found, wanted = (
        torch.autograd.functional.jacobian(
            lambda x, w, f=function: f(x, w, stride=2), (x, weight), vectorize=vectorize, strategy=strategy
        )
        for function in (ours.conv_transpose1d, F.conv_transpose1d)
    )
    torch.testing.assert_close(found, wanted)
    modes = {"vectorize": vectorize, "outer_jacobian_strategy": strategy}
    found, wanted = (
        torch.autograd.functional.hessian(cubes(function, weight), x, **modes)
        for function in (ours.conv_transpose1d, F.conv_transpose1d)
    )
    torch.testing.assert_close(found, wanted)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_tangents_are_carried_on() -> None:
    forward_ad = torch.autograd.forward_ad
    x, weight = torch.randn(1, 2, 4), torch.randn(2, 3, 3)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.ones_like(x))
        found, wanted = (f(dual, weight) for f in (ours.conv_transpose1d, F.conv_transpose1d))
        torch.testing.assert_close(forward_ad.unpack_dual(found).tangent, forward_ad.unpack_dual(wanted).tangent)


def test_who_looks_on_sees_operators() -> None:
    mode: Any = torch.utils._python_dispatch.TorchDispatchMode

    class Seen(mode):  # type: ignore[misc]  # torch is not typed here
        names: list[str] = []  # noqa: RUF012 - of one test

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.names.append(str(function))
            return function(*args, **(kwargs or {}))

    x, weight = integers(1, 2, 4).requires_grad_(), integers(2, 3, 3).requires_grad_()
    with Seen() as seen:
        ours.conv_transpose1d(x, weight).sum().backward()
    names = [name for name in seen.names if name.startswith("unstride")]
    assert names == ["unstride.apply.default", "unstride.apply.default", "unstride.weight_gradient.default"]
    negated = torch._neg_view(x.detach())
    assert torch.equal(ours.conv_transpose1d(negated, weight), F.conv_transpose1d(negated, weight))


def test_autocast_and_half_types() -> None:
    x, weight = integers(2, 4, 6, 6), integers(4, 3, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert ours.conv_transpose2d(x, weight, stride=2).dtype is torch.bfloat16
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        mine = ours.conv_transpose2d(x.to(dtype), weight.to(dtype), stride=2)
        assert torch.equal(mine, F.conv_transpose2d(x, weight, stride=2).to(dtype))


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f(torch.zeros(2, 3, 4, 4), torch.zeros(4, 2, 3, 3)),
        lambda f: f(torch.zeros(2, 3, 4), torch.zeros(4, 2, 3, 3)),
        lambda f: f(torch.zeros(2, 3, 4, 4, 4, 4), torch.zeros(3, 2, 3, 3)),
        lambda f: f(torch.zeros(2, 3, 4, 4), torch.zeros(3, 2, 3, 3), torch.zeros(5)),
        lambda f: f(torch.zeros(2, 3, 4, 4), torch.zeros(3, 2, 3, 3, dtype=torch.float64)),
        lambda f: f(torch.zeros(2, 3, 4, 4), torch.zeros(3, 2, 3, 3), stride=0),
        lambda f: f(torch.zeros(2, 3, 4, 4), torch.zeros(3, 2, 3, 3), stride=(1, 2, 3)),
        lambda f: f(torch.zeros(2, 3, 4, 4), torch.zeros(3, 2, 3, 3), stride=2, output_padding=2),
        lambda f: f(torch.zeros(2, 3, 4, 4), torch.zeros(3, 2, 3, 3), padding=-1),
        lambda f: f(torch.zeros(2, 3, 1, 1), torch.zeros(3, 2, 1, 1), padding=3),
        lambda f: f("x", torch.zeros(3, 2, 3, 3)),
        lambda f: f(torch.zeros(2, 3, 4, 4), torch.zeros(3, 2, 3, 3), groups=2),
    ],
)
def test_the_errors_are_torchs(call: Any) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever PyTorch raises
        call(F.conv_transpose2d)
    with pytest.raises(type(theirs.value)) as mine:
        call(ours.conv_transpose2d)
    assert str(mine.value) == str(theirs.value)


@pytest.mark.parametrize("stride", [1.0, True, (1.0,), (True,), [1], 1])
def test_what_equals_an_integer_is_asked_of_torch(stride: Any) -> None:
    """An answer for 1 is remembered; 1.0 and True are equal to it, and not the same to PyTorch."""
    x, weight = integers(1, 2, 5), integers(2, 2, 3)
    for function, stock in ((ours.conv1d, F.conv1d), (ours.conv_transpose1d, F.conv_transpose1d)):
        function(x, weight, stride=1)
        try:
            wanted = stock(x, weight, stride=stride)
        except TypeError:
            with pytest.raises(TypeError):
                function(x, weight, stride=stride)
        else:
            assert torch.equal(function(x, weight, stride=stride), wanted)


def test_written_in_place_during_backward() -> None:
    x, weight = torch.randn(1, 2, 4, 4), torch.randn(2, 2, 3, 3, requires_grad=True)
    for function in (F.conv_transpose2d, ours.conv_transpose2d):
        given = x.clone()
        y = function(given, weight)
        given.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
    with pytest.raises(RuntimeError, match="floating point"):
        torch.zeros(2, dtype=torch.int32).requires_grad_()


def test_compiled_and_exported() -> None:
    net = nn.Sequential(ours.ConvTranspose2d(3, 4, 3, stride=2, padding="same"), nn.ReLU(), nn.Conv2d(4, 2, 3)).eval()
    x = torch.randn(2, 3, 7, 8)
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), net(x))
    compiled(x).sum().backward()
    exported = torch.export.export(net, (x,))
    assert not any("unstride" in str(node.target) for node in exported.graph.nodes)
    torch.testing.assert_close(exported.module()(x), net(x))


def test_an_accelerated_model_is_compiled_without_a_warning() -> None:
    net = nn.Sequential(nn.ConvTranspose2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 2, 3)).eval()
    x = torch.randn(2, 3, 7, 8)
    expected = net(x)
    ours.accelerate(net)
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), expected, rtol=1e-4, atol=1e-5)


WINDOWS: list[dict[str, Any]] = [
    {"padding": "same"},
    {"padding": "full"},
    {"padding": ((0, 1), (1, 0))},
    {"padding": ((2, 0), (0, 3))},
    {"padding": 1, "output_padding": 1},
    {"padding": 0, "output_padding": 5},
]


@pytest.mark.parametrize("words", WINDOWS, ids=str)
@pytest.mark.parametrize("groups", [1, 2])
def test_modules_are_the_same_in_torchs_own_calls(words: dict[str, Any], groups: int) -> None:
    module = ours.ConvTranspose2d(4, 6, (3, 2), stride=(2, 3), groups=groups, **words)
    with torch.no_grad():
        module.weight.copy_(integers(*module.weight.shape))
        module.bias.copy_(integers(6))
        x = integers(2, 4, 5, 4)
        found = module.relation(x, None)
        from unstride.frameworks.torch import stock

        assert torch.equal(module(x), stock.run(x, module.weight, module.bias, found))
        assert torch.equal(module(x[0]), module(x[:1])[0])
    other = nn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 3), groups=groups)
    other.load_state_dict(module.state_dict())
    module.load_state_dict(other.state_dict())


def test_sizes_by_call() -> None:
    module = ours.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    stock = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    stock.load_state_dict(module.state_dict())
    x = torch.randn(1, 2, 5, 6)
    for size in product((9, 10), (11, 12)):
        y = module(x, size)
        torch.testing.assert_close(y, stock(x, size))
        torch.testing.assert_close(module(x, like=torch.empty(1, 9, *size)), y)
    with pytest.raises(ValueError, match=r"9…10 × 11…12, not \(11, 11\)"):
        module(x, (11, 11))
    with pytest.raises(ValueError, match="give one of them"):
        module(x, (9, 11), like=x)
    with pytest.raises(ValueError, match="padding must be"):
        ours.ConvTranspose2d(2, 3, 3, padding="some")


@pytest.mark.parametrize("size", [7, 8, 9])
def test_same_brings_every_size_back(size: int) -> None:
    """A strided SAME convolution of 7 or 8 gives 4, a pooling of 9 too; the crop is TensorFlow's for the size asked."""
    module = ours.ConvTranspose1d(2, 3, 3, stride=2, padding="same")
    skip = torch.randn(1, 2, size)
    found = module.relation(torch.randn(1, 2, 4), [size])
    assert (found.size, found.before) == ([size], [(9 - size) // 2])
    assert module(torch.randn(1, 2, 4), like=skip).shape == (1, 3, size)
    with pytest.raises(ValueError, match="7…9, not"):
        module(torch.randn(1, 2, 4), (10,))


def network() -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=2),
        nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
    )


def test_accelerate_and_restore() -> None:
    net = network().eval()
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        wanted = net(x)
    classes = [type(each) for each in net]
    keys = list(net.state_dict())
    report = ours.accelerate(net)
    assert [each.swapped for each in report.swaps] == [True, True, True, False]
    assert "reflect" in str(report)
    assert list(net.state_dict()) == keys
    with torch.no_grad():
        torch.testing.assert_close(net(x), wanted, rtol=1e-4, atol=1e-5)
        net[0].weight.mul_(2)
        doubled = net(x)
    assert not torch.allclose(doubled, wanted)
    for copied in (copy.deepcopy(net), _pickled(net)):
        with torch.no_grad():
            torch.testing.assert_close(copied(x), doubled)
    assert str(ours.accelerate(net)) == str(report)
    ours.restore(net)
    assert [type(each) for each in net] == classes
    with torch.no_grad():
        torch.testing.assert_close(net(x), doubled, rtol=1e-4, atol=1e-5)


def _pickled(net: Any) -> Any:
    stream = io.BytesIO()
    torch.save(net, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=False)


def test_training_is_torchs() -> None:
    nets = [network().double() for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    ours.accelerate(nets[1])
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    losses: list[list[float]] = []
    for net in nets:
        optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
        losses.append([])
        for _ in range(5):
            optimiser.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optimiser.step()
            losses[-1].append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
