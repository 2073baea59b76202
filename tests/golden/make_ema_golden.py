"""Writes tests/golden/trajectory_ema.safetensors: the average of the weights (train.ema) over the twenty
steps of the case "semi" of make_trajectory_golden.py, in PyTorch, float64, as ModelEmaV2 of timm keeps
it (timm/utils/model_ema.py, update): after each optimiser step, for every entry of the state dict, running
statistics of batch normalisation among them,

    average = decay * average + (1 - decay) * value

beginning as a copy of the initial model. tests/unit/train/test_trajectory.c compares.

    python3 tests/golden/make_ema_golden.py        (torch, torchvision, safetensors)

The inputs are those of trajectory_inputs.safetensors, so another version of torch gives the same."""
import copy
import os

import torch
from safetensors.torch import load_file, save_file

import make_trajectory_golden as golden

DECAY = 0.9


def initial_model(inputs):
    model = golden.Student()
    state = model.state_dict()
    for name in state:
        if golden.slot(name) in inputs:
            state[name] = inputs[golden.slot(name)].double()
    model.load_state_dict(state)
    model.head_kd.bias.data.zero_()
    return model


def main():
    torch.set_default_dtype(torch.float64)
    inputs = load_file(os.path.join(golden.HERE, "trajectory_inputs.safetensors"))
    images = inputs["images"].double().permute(0, 1, 4, 2, 3)
    batches = (images, inputs["labels"], inputs["teacher"].double(), inputs["embedding"].double())
    case = golden.CASES["semi"]
    _, _, _, lambda_ce, lambda_kd, _, _, kind = case
    model = initial_model(inputs)
    average = copy.deepcopy(model)
    parameters = [v for k, v in model.named_parameters() if golden.used(k, case)]
    optimizer = torch.optim.AdamW(parameters, lr=golden.LR, eps=golden.EPS,
                                  weight_decay=golden.WEIGHT_DECAY)
    for step in range(golden.STEPS):
        terms = golden.losses(model, case, *(x[step % 2] for x in batches))
        optimizer.zero_grad()
        (lambda_ce * terms[0] + lambda_kd * (terms[1] + terms[2])).backward()
        optimizer.param_groups[0]["lr"] = golden.LR * golden.schedule(kind, step)
        optimizer.step()
        with torch.no_grad():
            for ours, theirs in zip(average.state_dict().values(), model.state_dict().values()):
                if ours.is_floating_point():
                    ours.copy_(DECAY * ours + (1 - DECAY) * theirs)
    out = {golden.slot(k): v.float().contiguous() for k, v in average.state_dict().items()
           if v.is_floating_point() and golden.used(k, case)}
    path = os.path.join(golden.HERE, "trajectory_ema.safetensors")
    save_file(out, path)
    last = load_file(os.path.join(golden.HERE, "trajectory_semi.safetensors"))
    final = model.state_dict()
    print("the weights after the last step differ from trajectory_semi's by at most",
          max((final[k].float() - last[golden.slot(k)]).abs().max().item()
              for k in final if golden.slot(k) in last))
    print(path, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
