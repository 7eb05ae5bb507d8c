"""Goes on in PyTorch with a training that minima began, and back: weights, momentum and step counts.

    import pytorch_checkpoint
    pytorch_checkpoint.to_pytorch("digits.checkpoint", model, optimizer)
    ...                                            # train for `steps` steps
    pytorch_checkpoint.to_minima("digits.checkpoint", model, optimizer, steps, "digits.checkpoint")

A checkpoint is what `train` leaves at Ctrl-C, or what save_training writes. `model` has the same layers under the same
names as in minima, in the same order; `optimizer` is torch.optim.SGD (nesterov=True for Nesterov), Adam or AdamW over
model.parameters(), made with the same hyperparameters. docs/from-pytorch.md says more. Needs PyTorch and NumPy.
"""
import json
import os
import struct

import torch

TYPES = {"F32": torch.float32, "F64": torch.float64, "I32": torch.int32, "I64": torch.int64, "U8": torch.uint8}
# What minima calls the buffers of a rule, and what PyTorch does.
BUFFERS = {"sgd": {"velocity": "momentum_buffer"}, "nesterov": {"velocity": "momentum_buffer"},
           "adam": {"m": "exp_avg", "s": "exp_avg_sq"}, "adamw": {"m": "exp_avg", "s": "exp_avg_sq"}}


def load(path):
    """The tensors and the metadata of a safetensors file."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        body = bytearray(file.read())
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        dtype, data = TYPES[entry["dtype"]], body[begin:end]
        flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata


def save(path, tensors, metadata):
    """Writes a safetensors file."""
    names = {dtype: name for name, dtype in TYPES.items()}
    header, body = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        data = tensor.detach().cpu().contiguous().numpy().tobytes()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)  # the old file is there until the new one is whole
    finally:
        if os.path.exists(part):
            os.remove(part)


def parameters_of(optimizer):
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def convolution_weights_of(model):
    """Those of Conv1d, Conv2d and ConvTranspose2d. Their second axis here is the last one in minima's memory:
    [out, height, width, in], [out, kernel, in], or [in, height, width, out] of a transposed convolution. A parameter of
    another layer with as many axes is the same in both."""
    convolution = torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.ConvTranspose2d
    return {id(module.weight) for module in model.modules() if isinstance(module, convolution)}


def from_flat(flat, model, optimizer):
    """One flat vector of minima as a tensor for each parameter."""
    parameters, convolutions = parameters_of(optimizer), convolution_weights_of(model)
    for part, parameter in zip(torch.split(flat, [p.numel() for p in parameters]), parameters):
        if id(parameter) in convolutions:
            first, second, *window = parameter.shape
            yield part.reshape(first, *window, second).movedim(-1, 1).contiguous()
        else:
            yield part.reshape(parameter.shape).clone()


def to_flat(buffer, model, optimizer):
    """The buffer of this name of PyTorch's optimizer as one flat vector of minima."""
    convolutions = convolution_weights_of(model)
    parts = [(p, optimizer.state[p][buffer]) for p in parameters_of(optimizer)]
    return torch.cat([(t.movedim(1, -1) if id(p) in convolutions else t).reshape(-1) for p, t in parts])


def check_sizes(path, tensors, optimizer):
    there, here = tensors["optimizer.parameter_sizes"].tolist(), [p.numel() for p in parameters_of(optimizer)]
    if there != here:
        raise ValueError(f"[{path}] got parameters of {there} elements, expected {here}, those of the optimizer. "
                         "Make the model of the same layers in the same order.")


def base_of(path, metadata):
    base = metadata["optimizer.base"]
    if base not in BUFFERS:
        raise ValueError(f"[{path}] got the optimizer {base}, expected one of {', '.join(BUFFERS)}. PyTorch has no other.")
    return base


def to_pytorch(path, model, optimizer):
    """Puts weights, buffers and the optimizer's state from a checkpoint of minima into a model and its optimizer.
    Hyperparameters stay those of the optimizer. Returns how many steps were done."""
    tensors, metadata = load(path)
    check_sizes(path, tensors, optimizer)
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in tensors.items()
                           if name.startswith("model.")})
    steps = tensors["optimizer.parameter_steps"].tolist()
    base = base_of(path, metadata)
    state = [{"step": torch.tensor(float(n))} if base.startswith("adam") else {} for n in steps]
    for ours, theirs in BUFFERS[base].items():
        if f"optimizer.{ours}" in tensors:  # without momentum SGD has none
            for of_parameter, part in zip(state, from_flat(tensors[f"optimizer.{ours}"], model, optimizer)):
                of_parameter[theirs] = part
    for parameter, of_parameter, n in zip(parameters_of(optimizer), state, steps):
        if n > 0:
            optimizer.state[parameter] = {name: value if name == "step" else value.to(parameter.device)
                                          for name, value in of_parameter.items()}
    return int(metadata["step"])


def to_minima(path, model, optimizer, steps, template):
    """Writes a checkpoint for minima. `template` is the one that the training in PyTorch began with, and `steps` is how
    many steps were done since: what PyTorch does not know (options, random numbers) is taken from there."""
    tensors, metadata = load(template)
    check_sizes(template, tensors, optimizer)
    for name, tensor in model.state_dict().items():
        tensors[f"model.{name}"] = tensor
    for ours, theirs in BUFFERS[base_of(template, metadata)].items():
        if f"optimizer.{ours}" in tensors:
            if any(optimizer.state[p].get(theirs) is None for p in parameters_of(optimizer)):
                raise ValueError(f"[{template}] got no {theirs} from PyTorch's optimizer for some parameters, expected "
                                 "one for each. Make it with the same momentum, and do a step first.")
            tensors[f"optimizer.{ours}"] = to_flat(theirs, model, optimizer)
    for name in ("steps", "gradient_evaluations", "parameter_steps"):
        tensors[f"optimizer.{name}"] = tensors[f"optimizer.{name}"] + steps
    metadata["step"] = str(int(metadata["step"]) + steps)
    save(path, tensors, metadata)
