#define _GNU_SOURCE
#include "config/schema.h"
#include "dho/config.h"
#include "dho/file.h"
#include "document.h"
#include "unit/config/schema_tables.h"

#include <locale.h>
#include <string.h>
#include <unistd.h>

static dho_status parse(dho_config *config, const char *text, const char *override)
{
    return dho_config_parse(config, text, strlen(text), "t.yaml", &override, override != NULL);
}

/* --- wrong inputs, one by one ---------------------------------------------------------------- */

typedef struct wrong {
    const char *text;     /* the file */
    const char *override; /* or NULL */
    const char *message;  /* the whole of it; when it ends in '~', only its beginning */
} wrong;

#define MODELS                                                                            \
    "resnet18, resnet50, mobilenet_v2, convnext_tiny, vit_s16, clip_rn50, clip_vit_b16, " \
    "clip_vit_l14, clip_vit_l14_336, "                                                    \
    "clip_vit_h14_378"

static const wrong wrongs[] = {
    /* Numbers. */
    {"train:\n    lr: fast\n", NULL,
     "t.yaml:2:5: train.lr: expected a positive number, got \"fast\""},
    {"", "train.lr=fast",
     "--set train.lr=fast: train.lr: expected a positive number, got \"fast\""},
    {"train: {lr: 0}\n", NULL, "t.yaml:1:9: train.lr: expected a positive number, got \"0\""},
    {"train: {lr: -1}\n", NULL, "t.yaml:1:9: train.lr: expected a positive number, got \"-1\""},
    {"train: {lr: .inf}\n", NULL, "t.yaml:1:9: train.lr: expected a positive number, got \".inf\""},
    {"train: {lr: nan}\n", NULL, "t.yaml:1:9: train.lr: expected a positive number, got \"nan\""},
    {"train: {lr: infinity}\n", NULL, "t.yaml:1:9: train.lr: expected a positive number, got ~"},
    {"train: {lr: 1e999}\n", NULL,
     "t.yaml:1:9: train.lr: expected a positive number, got \"1e999\" (too large)"},
    {"train: {lr: 1e-999}\n", NULL,
     "t.yaml:1:9: train.lr: expected a positive number, got \"1e-999\""},
    {"train: {lr: \"0.1\"}\n", NULL,
     "t.yaml:1:9: train.lr: expected a positive number, got the text \"0.1\" (remove the quotes)"},
    {"train: {lr: 0x1p-3}\n", NULL,
     "t.yaml:1:9: train.lr: expected a positive number, got \"0x1p-3\" (write it in decimal)"},
    {"train: {lr: 00.1}\n", NULL,
     "t.yaml:1:9: train.lr: expected a positive number, got \"00.1\" (remove the leading zero)"},
    {"train:\n  lr: 0,1\n", NULL, "t.yaml:2:3: train.lr: expected a positive number, got \"0,1\""},
    {"train: {lr: 1e}\n", NULL, "t.yaml:1:9: train.lr: expected a positive number, got \"1e\""},
    {"train: {lr: .}\n", NULL, "t.yaml:1:9: train.lr: expected a positive number, got \".\""},
    {"train: {lr: 1 2}\n", NULL, "t.yaml:1:9: train.lr: expected a positive number, got \"1 2\""},
    {"train: {beta1: 1}\n", NULL,
     "t.yaml:1:9: train.beta1: expected a number in [0, 1), got \"1\""},
    {"train: {weight_decay: -0.1}\n", NULL,
     "t.yaml:1:9: train.weight_decay: expected a number >= 0, got \"-0.1\""},
    {"eval: {alpha: 1.5}\n", NULL, "t.yaml:1:8: eval.alpha: expected a number in [0, 1], got ~"},
    {"data: {percent: 101}\n", NULL,
     "t.yaml:1:8: data.percent: expected a number in [0, 100], got \"101\""},
    /* A share of each class. */
    {"data: {holdout: 0 %}\n", NULL,
     "t.yaml:1:8: data.holdout: expected a percentage above 0 % and below 100 %, or a number of "
     "images of each class from 1, got \"0 %\""},
    {"data: {holdout: 100 %}\n", NULL, "t.yaml:1:8: data.holdout: expected a percentage ~"},
    {"data: {holdout: 0}\n", NULL, "t.yaml:1:8: data.holdout: expected a percentage ~"},
    {"data: {holdout: 0.1}\n", NULL, "t.yaml:1:8: data.holdout: expected a percentage ~"},
    {"data: {holdout: ten}\n", NULL, "t.yaml:1:8: data.holdout: expected a percentage ~"},
    {"data: {holdout: 2 %}\neval: {sets: [{name: holdout, root: r}]}\n", NULL,
     "t.yaml:2:16: eval.sets[0].name: \"holdout\" is the name of data.holdout's images: take "
     "another"},
    {"eval: {select_on: holdout}\n", NULL,
     "t.yaml:1:8: eval.select_on: holdout needs data.holdout (10 %, say), or a set of that name in "
     "eval.sets"},
    /* Integers. */
    {"train: {steps: 1e3}\n", NULL,
     "t.yaml:1:9: train.steps: expected an integer in [0, 1000000000], got \"1e3\" (write 1000)"},
    {"train: {steps: 10.0}\n", NULL,
     "t.yaml:1:9: train.steps: expected an integer in [0, 1000000000], got \"10.0\" (write 10)"},
    {"train: {steps: 0100}\n", NULL,
     "t.yaml:1:9: train.steps: expected an integer in [0, 1000000000], got \"0100\" (remove the "
     "leading zero)"},
    {"train: {steps: 0o17}\n", NULL,
     "t.yaml:1:9: train.steps: expected an integer in [0, 1000000000], got \"0o17\" (write it in "
     "decimal)"},
    {"train: {steps: 1_000}\n", NULL, "t.yaml:1:9: train.steps: expected an integer in ~"},
    {"train: {steps: 99999999999999999999}\n", NULL,
     "t.yaml:1:9: train.steps: expected an integer in [0, 1000000000], got "
     "\"99999999999999999999\" (too large for 64 bits)"},
    {"train: {steps: 1000000001}\n", NULL, "t.yaml:1:9: train.steps: expected an integer in ~"},
    {"train: {steps: -1}\n", NULL, "t.yaml:1:9: train.steps: expected an integer in ~"},
    {"seed: -1\n", NULL, "t.yaml:1:1: seed: expected an integer >= 0, got \"-1\""},
    {"seed: 18446744073709551616\n", NULL,
     "t.yaml:1:1: seed: expected an integer >= 0, got \"18446744073709551616\" (too large for 64 "
     "bits)"},
    {"seed: true\n", NULL, "t.yaml:1:1: seed: expected an integer >= 0, got \"true\""},
    {"data: {image_size: 31}\n", NULL,
     "t.yaml:1:8: data.image_size: expected an integer in [32, 1024], got \"31\""},
    {"data: {image_size: 1025}\n", NULL, "t.yaml:1:8: data.image_size: expected an integer in ~"},
    /* Booleans. */
    {"data: {flip: yes}\n", NULL,
     "t.yaml:1:8: data.flip: expected true or false, got \"yes\" (write true, without quotes)"},
    {"data: {flip: Off}\n", NULL,
     "t.yaml:1:8: data.flip: expected true or false, got \"Off\" (write false, without quotes)"},
    {"data: {flip: TRUE}\n", NULL, "t.yaml:1:8: data.flip: expected true or false, got \"TRUE\" ~"},
    {"data: {flip: 0}\n", NULL, "t.yaml:1:8: data.flip: expected true or false, got \"0\" ~"},
    {"data: {flip: 'true'}\n", NULL,
     "t.yaml:1:8: data.flip: expected true or false, got the text \"true\" (write true, without "
     "quotes)"},
    {"data: {flip: perhaps}\n", NULL,
     "t.yaml:1:8: data.flip: expected true or false, got \"perhaps\""},
    /* Words. */
    {"method: dh0\n", NULL,
     "t.yaml:1:1: method: expected one of ce, kd, single_head, dho, feature, logit_feature, sskd, "
     "dhkd, got "
     "\"dh0\" (did you mean "
     "dho?)"},
    {"method: xyzzy\n", NULL,
     "t.yaml:1:1: method: expected one of ce, kd, single_head, dho, feature, logit_feature, sskd, "
     "dhkd, got "
     "\"xyzzy\""},
    {"method: DHO\n", NULL, "t.yaml:1:1: method: expected one of ~"},
    {"method: [dho]\n", NULL,
     "t.yaml:1:1: method: expected one of ce, kd, single_head, dho, feature, logit_feature, sskd, "
     "dhkd, got a "
     "list"},
    /* Losses. */
    {"method: kd\ndistill: {divergence: dkd}\n", NULL,
     "t.yaml:2:11: distill.divergence: dkd has no place in method: kd (single_head, logit_feature "
     "and dho have one)"},
    {"method: sskd\ndistill: {divergence: wkd}\n", NULL,
     "t.yaml:2:11: distill.divergence: wkd has no place in method: sskd~"},
    {"distill: {dkd_beta: 2}\n", NULL,
     "t.yaml:1:11: distill.dkd_beta: has no effect without distill.divergence: dkd"},
    {"distill: {wkd_entropy: 0.1}\n", NULL,
     "t.yaml:1:11: distill.wkd_entropy: has no effect without distill.divergence: wkd"},
    {"distill: {divergence: dkd, lambda_kd: 0}\n", NULL,
     "t.yaml:1:28: distill.lambda_kd: must not be 0 with distill.divergence: dkd"},
    {"method: kd\ndistill: {gradients: pcgrad}\n", NULL,
     "t.yaml:2:11: distill.gradients: needs two losses: method kd with these weights has one"},
    {"method: ce\ndistill: {ce_from: 0.5}\n", NULL,
     "t.yaml:2:11: distill.ce_from: needs two losses: method ce with these weights has one"},
    {"distill: {kd_until: 0.5, lambda_ce: 0}\n", NULL, "t.yaml:1:11: distill.kd_until: needs two~"},
    {"distill: {ce_from: 0.5, kd_until: 0.25}\n", NULL,
     "t.yaml:1:25: distill.kd_until: expected at least distill.ce_from (0.5), got 0.25: between "
     "them nothing would be trained"},
    {"distill: {kd_until: 0}\n", NULL,
     "t.yaml:1:11: distill.kd_until: expected a number in (0, 1], got \"0\""},
    {"method: sskd\ndistill: {lambda_ce: 0}\n", NULL,
     "t.yaml:2:11: distill.lambda_ce: must not be 0 with method: sskd, whose prediction is the "
     "supervised head's"},
    {"method: single_head\nstudent: {head_kd_hidden: 8}\n", NULL,
     "t.yaml:2:11: student.head_kd_hidden: has no effect with method: single_head, which has one "
     "head (student.head_ce_hidden)"},
    {"data: {split: validation}\n", NULL,
     "t.yaml:1:8: data.split: expected one of train, val, test, got \"validation\""},
    {"compute:\n  dtype: bf16\n  backend: ref\n", NULL, "t.yaml:2:3: compute.dtype: bf16 needs~"},
    {"compute:\n  dtype: float32\n", NULL,
     "t.yaml:2:3: compute.dtype: expected one of fp32, bf16, got \"float32\"~"},
    /* Empty values and wrong kinds. */
    {"train:\n  lr:\n", NULL, "t.yaml:2:3: train.lr: expected a positive number, got nothing"},
    {"train: {lr: ~}\n", NULL, "t.yaml:1:9: train.lr: expected a positive number, got nothing"},
    {"out: null\n", NULL, "t.yaml:1:1: out: expected text, got nothing"},
    {"out: \"\"\n", NULL, "t.yaml:1:1: out: expected text, got the text \"\""},
    {"data:\n  root:\n", NULL,
     "t.yaml:2:3: data.root: expected text, got nothing (write \"\" for none)"},
    {"data: {root: [a]}\n", NULL, "t.yaml:1:8: data.root: expected text, got a list"},
    {"",
     "data.root=", "--set data.root=: data.root: expected text, got nothing (write \"\" for none)"},
    {"train:\n  lr: {start: 1}\n", NULL,
     "t.yaml:2:3: train.lr: expected a positive number, got a mapping"},
    {"train: 5\n", NULL, "t.yaml:1:1: train: expected a mapping of keys, got a single value"},
    {"train: [5]\n", NULL, "t.yaml:1:1: train: expected a mapping of keys, got a list"},
    {"seed: 1\ntrain:\n", NULL,
     "t.yaml:2:1: train: expected a mapping of keys, got nothing (leave the section out)"},
    {"- seed\n", NULL, "t.yaml:1:1: expected a mapping of keys, got a list"},
    {"seed\n", NULL, "t.yaml:1:1: expected a mapping of keys, got a single value"},
    /* Lists. */
    {"data: {crop_scale: 0.5}\n", NULL,
     "t.yaml:1:8: data.crop_scale: expected a list of 2 numbers in (0, 1], got \"0.5\""},
    {"data: {crop_scale: [0.5]}\n", NULL,
     "t.yaml:1:8: data.crop_scale: expected a list of 2 numbers in (0, 1], got a list of 1"},
    {"data: {crop_scale: [0, 1]}\n", NULL,
     "t.yaml:1:21: data.crop_scale[0]: expected a number in (0, 1], got \"0\""},
    {"data: {crop_scale: [1, 0.5]}\n", NULL,
     "t.yaml:1:8: data.crop_scale: expected [least, greatest], got [1, 0.5]"},
    {"data: {crop_ratio: [2, 1]}\n", NULL,
     "t.yaml:1:8: data.crop_ratio: expected [least, greatest], got [2, 1]"},
    {"data: {std: [1, 0, 1]}\n", NULL,
     "t.yaml:1:17: data.std[1]: expected a positive number, got \"0\""},
    {"data: {mean: [1, 0, 1, 0]}\n", NULL,
     "t.yaml:1:8: data.mean: expected a list of 3 numbers, got a list of 4"},
    {"eval: {alphas: []}\n", NULL,
     "t.yaml:1:8: eval.alphas: expected a list of numbers in [0, 1], got a list without entries"},
    {"eval:\n  alphas:\n  - 0\n  - 2\n", NULL,
     "t.yaml:4:5: eval.alphas[1]: expected a number in [0, 1], got \"2\""},
    {"eval: {betas: [1, [2]]}\n", NULL,
     "t.yaml:1:19: eval.betas[1]: expected a positive number, got a list"},
    {"", "eval.alphas=[0,x]",
     "--set eval.alphas=[0,x]: eval.alphas[1]: expected a number in [0, 1], got \"x\""},
    /* Unknown keys. */
    {"seed: 0\n\ntrain:\n  learning_rate: 1\n", NULL,
     "t.yaml:4:3: train.learning_rate: unknown key (did you mean train.lr?)"},
    {"sede: 0\n", NULL, "t.yaml:1:1: sede: unknown key (did you mean seed?)"},
    {"trian: {lr: 1}\n", NULL, "t.yaml:1:1: trian: unknown key (did you mean train?)"},
    {"lr: 1\n", NULL, "t.yaml:1:1: lr: unknown key (did you mean train.lr?)"},
    {"train: {batch_labeled: 8}\n", NULL,
     "t.yaml:1:9: train.batch_labeled: unknown key (did you mean train.batch_labelled?)"},
    {"train: {temperature: 8}\n", NULL,
     "t.yaml:1:9: train.temperature: unknown key (did you mean distill.temperature?)"},
    {"zzzzzzzz: 8\n", NULL, "t.yaml:1:1: zzzzzzzz: unknown key"},
    {"train.lr: 8\n", NULL,
     "t.yaml:1:1: train.lr: keys are nested in a file: write \"train:\", and in the line below \"  "
     "lr:\""},
    {"eval: {set_count: 8}\n", NULL, "t.yaml:1:8: eval.set_count: unknown key~"},
    {"? [a]\n: 1\n", NULL, "t.yaml:1:3: a key must be a word, not a list or a mapping"},
    {"\"\": 1\n", NULL, "t.yaml:1:1: unknown key"},
    {"compute: {dtype: fp16}\n", NULL,
     "t.yaml:1:11: compute.dtype: expected one of fp32, bf16, got \"fp16\""},
    {"", "student.model=resnet19",
     "--set student.model=resnet19: student.model: expected one of " MODELS ", got \"resnet19\""},
    {"", "student.model=resnte18",
     "--set student.model=resnte18: student.model: expected one of " MODELS
     ", got \"resnte18\" (did you mean resnet18?)"},
    {"", "train.rl=1", "--set train.rl=1: train.rl: unknown key (did you mean train.lr?)"},
    {"<<: {seed: 1}\n", NULL, "t.yaml:1:1: <<: unknown key"},
    /* YAML that a configuration has no use for. */
    {"seed: 0\ntrain: {lr: 1}\nseed: 1\n", NULL, "t.yaml:3:1: seed: given twice (first at line 1)"},
    {"train:\n  lr: 1\n  lr: 2\n", NULL, "t.yaml:3:3: train.lr: given twice (first at line 2)"},
    {"seed: &a 0\n", NULL, "t.yaml:1:7: anchors (&name) are not supported: write the value out"},
    {"seed: *a\n", NULL, "t.yaml:1:7: aliases (*name) are not supported: write the value out"},
    {"&a {seed: 0}\n", NULL, "t.yaml:1:1: anchors (&name) are not supported: write the value out"},
    {"seed: !!int 0\n", NULL, "t.yaml:1:7: tags (!name) are not supported"},
    {"out: !x [a]\n", NULL, "t.yaml:1:6: tags (!name) are not supported"},
    {"seed: 0\n---\nseed: 1\n", NULL, "t.yaml:2:1: more than one document (---) in the file"},
    {"out: |\n  a\n", NULL,
     "t.yaml:1:6: line breaks, tabs and control characters are not allowed in a value"},
    {"out: \"a\\0b\"\n", NULL,
     "t.yaml:1:6: line breaks, tabs and control characters are not allowed in a value"},
    {"\"a\\nb\": 1\n", NULL,
     "t.yaml:1:1: line breaks, tabs and control characters are not allowed in a value"},
    {"out: [[[[[[[[[[1]]]]]]]]]]\n", NULL, "t.yaml:1:13: nested more than 8 deep"},
    {"train:\n\tlr: 1\n", NULL, "t.yaml:2:1: tab character in the indentation (YAML wants spaces)"},
    {"train:\n  \tlr: 1\n", NULL,
     "t.yaml:2:3: tab character in the indentation (YAML wants spaces)"},
    {"seed: 0\nout: a\x80\n", NULL, "t.yaml:2:7: is not valid UTF-8 (byte 0x80)"},
    {"out: \xc0\xaf\n", NULL, "t.yaml:1:6: is not valid UTF-8 (byte 0xc0)"},
    {"out: \xed\xa0\x80\n", NULL, "t.yaml:1:6: is not valid UTF-8 (byte 0xed)"},
    {"out: \xf4\x90\x80\x80\n", NULL, "t.yaml:1:6: is not valid UTF-8 (byte 0xf4)"},
    {"out: \xe2\x82", NULL, "t.yaml:1:6: is not valid UTF-8 (byte 0xe2)"},
    {"\xff\xfes\0", NULL, "t.yaml:1:1: is not valid UTF-8 (byte 0xff)"},
    {"out: a\x07\n", NULL, "t.yaml:1:7: control character U+0007"},
    {"out: a\xe2\x80\xa8\n", NULL, "t.yaml:1:7: control character U+2028"},
    {"train: {lr: 1\n", NULL, "t.yaml:2:1: not valid YAML: did not find expected ',' or '}' ~"},
    {"seed: 0\n  out: b\n", NULL, "t.yaml:2:6: not valid YAML: mapping values are not allowed ~"},
    /* The shell's "~" is no part of a path. */
    {"out: ~/a\n", NULL, "t.yaml:1:1: out: \"~\" is not expanded, got \"~/a\": write ~"},
    {"data: {root: '~'}\n", NULL,
     "t.yaml:1:8: data.root: \"~\" is not expanded, got \"~\": write ~"},
    {"teacher: {cache: ~me/a}\n", NULL,
     "t.yaml:1:11: teacher.cache: \"~\" is not expanded, got \"~me/a\": write the whole path"},
    {"", "data.label_file=~/a",
     "--set data.label_file=~/a: data.label_file: \"~\" is not expanded, got ~"},
    {"eval: {sets: [{name: v, root: ~/v}]}\n", NULL,
     "t.yaml:1:25: eval.sets[0].root: \"~\" is not expanded, got ~"},
    {"out: 'a\n", NULL, "t.yaml:2:1: not valid YAML: found unexpected end of stream ~"},
    {"out: @a\n", NULL, "t.yaml:1:6: not valid YAML: found character that cannot start ~"},
    /* Overrides. */
    {"", "a\nb=1", "--set (not printable): expected key.path=value, such as ~"},
    {"", "train.lr", "--set train.lr: expected key.path=value, such as ~"},
    {"", "=1", "--set =1: expected key.path=value, such as ~"},
    {"", "", "--set : expected key.path=value, such as ~"},
    {"", "train..lr=1", "--set train..lr=1: expected key.path=value, such as ~"},
    {"", "train.lr.=1", "--set train.lr.=1: expected key.path=value, such as ~"},
    {"", "eval.sets[x].root=1", "--set eval.sets[x].root=1: expected key.path=value, such as ~"},
    {"", "eval.sets[0=1", "--set eval.sets[0=1: expected key.path=value, such as ~"},
    {"", "eval.sets[0]x=1", "--set eval.sets[0]x=1: expected key.path=value, such as ~"},
    {"", "eval.sets[9999999].root=1", "--set eval.sets[9999999].root=1: expected key.path=value~"},
    {"", "a.b.c.d.e.f.g.h.i=1", "--set a.b.c.d.e.f.g.h.i=1: expected key.path=value, such as ~"},
    {"", "eval.sets[1].root=a", "--set eval.sets[1].root=a: eval.sets has only 0 entries"},
    {"train: 5\n", "train.lr=1", "--set train.lr=1: train is not a mapping in t.yaml"},
    {"eval: {sets: {a: 1}}\n", "eval.sets[0].root=1",
     "--set eval.sets[0].root=1: eval.sets is not a list in t.yaml"},
    {"- 1\n", "train.lr=1", "--set train.lr=1: the root is not a mapping in t.yaml"},
    {"", "eval.alphas=[0,", "--set eval.alphas=[0,: not valid YAML: ~"},
    {"", "out=\x80", "--set (not printable): is not valid UTF-8 (byte 0x80)"},
    {"", "out=\"a\nb\x01\"", "--set (not printable): control character U+0001"},
    /* Checks over more than one key. */
    {"data:\n  labels: shots\n", NULL,
     "t.yaml:2:3: data.shots: needed with data.labels: shots (labelled images per class, from 1)"},
    {"data: {labels: shots, shots: 0}\n", NULL, "t.yaml:1:23: data.shots: needed with ~"},
    {"", "data.labels=percent",
     "--set data.labels=percent: data.percent: needed with data.labels: percent (above 0, up to "
     "100)"},
    {"data: {labels: file}\n", NULL, "t.yaml:1:8: data.label_file: needed with data.labels: file"},
    {"data: {shots: 4}\n", NULL,
     "t.yaml:1:8: data.shots: has no effect without data.labels: shots"},
    {"data: {percent: 4}\n", NULL, "t.yaml:1:8: data.percent: has no effect without ~"},
    {"data: {label_file: x}\n", NULL, "t.yaml:1:8: data.label_file: has no effect without ~"},
    {"data: {format: coop}\n", NULL, "t.yaml:1:8: data.split_file: needed with data.format: coop"},
    {"data: {split_file: x}\n", NULL,
     "t.yaml:1:8: data.split_file: has no effect without data.format: coop"},
    {"distill: {lambda_ce: 0, lambda_kd: 0}\n", NULL,
     "t.yaml:1:11: distill.lambda_ce: lambda_ce and lambda_kd are both 0: nothing would be "
     "trained"},
    {"method: ce\ndistill: {lambda_ce: 0}\n", NULL,
     "t.yaml:2:11: distill.lambda_ce: must not be 0 with method: ce"},
    {"method: kd\ndistill: {lambda_kd: 0}\n", NULL,
     "t.yaml:2:11: distill.lambda_kd: must not be 0 with method: kd"},
    {"train: {batch_labelled: 6}\n", NULL,
     "t.yaml:1:9: train.batch_labelled: expected a multiple of train.shards (4), got 6"},
    {"train: {batch_unlabelled: 6}\n", NULL,
     "t.yaml:1:9: train.batch_unlabelled: expected a multiple of train.shards (4), got 6"},
    {"train: {shards: 5}\n", NULL,
     "t.yaml:1:9: train.batch_labelled: expected a multiple of train.shards (5), got 64"},
    {"train: {batch_unlabelled: 6}\n", "train.shards=6",
     "--set train.shards=6: train.batch_labelled: expected a multiple of train.shards (6), got 64"},
    {"train: {batch_labelled: 0}\n", NULL,
     "t.yaml:1:9: train.batch_labelled: must not be 0 with method: dho and a cross-entropy loss"},
    {"method: kd\ntrain: {batch_labelled: 0, batch_unlabelled: 0}\n", NULL,
     "t.yaml:2:9: train.batch_labelled: batch_labelled and batch_unlabelled are both 0"},
    {"train: {warmup_steps: 5, warmup_fraction: 0.1}\n", NULL,
     "t.yaml:1:26: train.warmup_fraction: train.warmup_steps and train.warmup_fraction cannot both "
     "be set"},
    {"train: {epochs: 2, steps: 4}\n", NULL,
     "t.yaml:1:20: train.steps: train.steps and train.epochs cannot both be set: leave one out"},
    {"train: {epochs: 0}\n", NULL,
     "t.yaml:1:9: train.epochs: train.epochs and train.steps are both 0~"},
    {"train: {epochs: -1}\n", NULL,
     "t.yaml:1:9: train.epochs: expected a number in [0, 1000000000]~"},
    {"train: {batches: loaders}\n", NULL,
     "t.yaml:1:9: train.batches: expected one of stream, loader~"},
    {"train: {warmup_steps: 4, steps: 4}\n", NULL,
     "t.yaml:1:9: train.warmup_steps: expected fewer than train.steps (4), got 4"},
    {"eval: {resize: 100}\n", NULL,
     "t.yaml:1:8: eval.resize: expected 0 or at least data.image_size (224), got 100"},
    {"eval: {select_on: val}\n", NULL,
     "t.yaml:1:8: eval.select_on: no set has the name \"val\": eval.sets is empty"},
    {"eval:\n  sets:\n  - {name: a, root: r}\n  - {name: b, root: r}\n  select_on: c\n", NULL,
     "t.yaml:5:3: eval.select_on: expected the name of a set in eval.sets (a, b), got \"c\""},
    /* eval.sets. */
    {"eval:\n  sets: {name: a}\n", NULL,
     "t.yaml:2:3: eval.sets: expected a list of mappings, got a mapping"},
    {"eval:\n  sets:\n", NULL,
     "t.yaml:2:3: eval.sets: expected a list of mappings, got nothing (write [] for none)"},
    {"eval: {sets: [a]}\n", NULL,
     "t.yaml:1:15: eval.sets[0]: expected a mapping with name, root ..., got a single value"},
    {"eval: {sets: [{root: r}]}\n", NULL, "t.yaml:1:15: eval.sets[0]: name is missing"},
    {"eval: {sets: [{name: '', root: r}]}\n", NULL,
     "t.yaml:1:16: eval.sets[0].name: expected text, got the text \"\""},
    {"eval: {sets: [{name: a b, root: r}]}\n", NULL,
     "t.yaml:1:16: eval.sets[0].name: expected letters, digits, '_', '.', '-' only, got \"a b\""},
    {"eval: {sets: [{name: a}]}\n", NULL,
     "t.yaml:1:15: eval.sets[0].root: needed, because data.root is not set"},
    {"eval:\n  sets:\n  - {name: a, root: r}\n  - name: a\n    root: r\n", NULL,
     "t.yaml:4:5: eval.sets[1].name: \"a\" is also the name of eval.sets[0]"},
    {"eval: {sets: [{name: a, root: r, format: coop}]}\n", NULL,
     "t.yaml:1:15: eval.sets[0].split_file: needed with format: coop"},
    {"eval: {sets: [{name: a, root: r, format: coop, split_file: f}]}\n", NULL,
     "t.yaml:1:15: eval.sets[0].split: needed with format: coop (train, val or test)"},
    {"eval: {sets: [{name: a, root: r, split: test}]}\n", NULL,
     "t.yaml:1:34: eval.sets[0].split: has no effect without format: coop"},
    {"eval: {sets: [{name: a, root: r, split_file: f}]}\n", NULL,
     "t.yaml:1:34: eval.sets[0].split_file: has no effect without format: coop"},
    {"eval: {sets: [{name: a, root: r, split: dev, format: coop}]}\n", NULL,
     "t.yaml:1:34: eval.sets[0].split: expected one of train, val, test, got \"dev\"~"},
    {"eval: {sets: [{name: a, rot: r}]}\n", NULL,
     "t.yaml:1:25: eval.sets[0].rot: unknown key (did you mean eval.sets[0].root?)"},
    {"eval: {sets: [{name: a, root: r, mask_classes: no}]}\n", NULL,
     "t.yaml:1:34: eval.sets[0].mask_classes: expected true or false, got \"no\" (write false, "
     "without quotes)"},
};

START_TEST(test_wrong_input)
{
    const wrong *w = &wrongs[_i];
    const int64_t before = dho_alloc_get_stats().live_blocks;
    dho_config config;
    const dho_status status = parse(&config, w->text, w->override);
    const char *message = dho_error_message();
    ck_assert_msg(status == DHO_ERR_CONFIG, "%s: status %d, wanted: %s", w->text, (int)status,
                  w->message);
    size_t length = strlen(w->message);
    const bool beginning = w->message[length - 1] == '~';
    if (beginning) length--;
    ck_assert_msg(strncmp(message, w->message, length) == 0 &&
                      (beginning || message[length] == '\0'),
                  "\n   got: %s\nwanted: %s", message, w->message);
    ck_assert_ptr_null(strchr(message, '\n'));
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before);
}
END_TEST

/* A refused text must not bring the rest of the message down. */
START_TEST(test_long_values_are_cut)
{
    char text[4000], name[3000], override[3000];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i + 3 < sizeof name; i += 2) memcpy(name + i, "\xc3\xa9", 2);
    dho_config config;
    snprintf(text, sizeof text, "train: {lr: %s}\n", name);
    ck_assert_fails(parse(&config, text, NULL), DHO_ERR_CONFIG, "\xc3\xa9\"...");
    ck_assert_uint_lt(strlen(dho_error_message()), 300);
    snprintf(text, sizeof text, "%.600s: 1\n", name);
    ck_assert_fails(parse(&config, text, NULL), DHO_ERR_CONFIG, ": unknown key");
    ck_assert_uint_lt(strlen(dho_error_message()), 300);
    snprintf(override, sizeof override, "train.lr=%.2000s", name);
    ck_assert_fails(parse(&config, "", override), DHO_ERR_CONFIG, "--set \"train.lr=");
    ck_assert_uint_lt(strlen(dho_error_message()), 400);
}
END_TEST

START_TEST(test_limits)
{
    dho_config config;
    const size_t bytes = (1 << 20) + 1;
    char *text = malloc(bytes + 1);
    memset(text, ' ', bytes);
    ck_assert_fails(dho_config_parse(&config, text, bytes, "t.yaml", NULL, 0), DHO_ERR_CONFIG,
                    "t.yaml: 1048577 bytes, more than the 1048576 allowed");
    ck_assert_ok(dho_config_parse(&config, text, bytes - 1, "t.yaml", NULL, 0));
    dho_config_free(&config);
    memcpy(text, "out: [", 6);
    for (size_t i = 6; i + 2 < bytes; i += 2) memcpy(text + i, "1,", 2);
    ck_assert_fails(dho_config_parse(&config, text, bytes - 1, "t.yaml", NULL, 0), DHO_ERR_CONFIG,
                    "more than 10000 values");
    memset(text, '[', bytes);
    ck_assert_fails(dho_config_parse(&config, text, bytes - 1, "t.yaml", NULL, 0), DHO_ERR_CONFIG,
                    "nested more than 8 deep");
    free(text);
}
END_TEST

START_TEST(test_load)
{
    dho_config config;
    char path[] = "/tmp/dho-test-config-XXXXXX";
    const int descriptor = mkstemp(path);
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(write(descriptor, "seed: 7\r\nout: a\r\n", 17), 17);
    ck_assert_ok(dho_config_load(&config, path, NULL, 0));
    ck_assert_uint_eq(config.seed, 7);
    ck_assert_str_eq(config.out, "a");
    dho_config_free(&config);
    ck_assert_int_eq(ftruncate(descriptor, (1 << 20) + 1), 0);
    ck_assert_fails(dho_config_load(&config, path, NULL, 0), DHO_ERR_CONFIG,
                    "1048577 bytes, more than the 1048576 allowed");
    close(descriptor);
    unlink(path);
    ck_assert_fails(dho_config_load(&config, path, NULL, 0), DHO_ERR_CONFIG, "cannot open");
    ck_assert_ptr_nonnull(strstr(dho_error_message(), path));
    ck_assert_fails(dho_config_load(&config, "/tmp", NULL, 0), DHO_ERR_CONFIG, "/tmp");
    dho_config_free(&config); /* harmless after a failure */
}
END_TEST

/* --- compat: reference -------------------------------------------------------------------------
 */

#define REFERENCE "compat: reference\n"
#define SEMI REFERENCE "data: {root: r, labels: percent, percent: 1}\n"
#define SHOTS REFERENCE "data: {root: r, labels: shots, shots: 1}\n"
#define FINE REFERENCE "data: {root: r, format: coop, split_file: s.json}\n"
#define SETS "eval: {sets: [{name: val, root: r, format: imagefolder}]"

START_TEST(test_reference_of_each_family)
{
    dho_config c;
    ck_assert_ok(parse(&c, SEMI "student: {init: a}\n", NULL));
    ck_assert_int_eq(c.train.schedule, DHO_SCHEDULE_WARMUP_TIMES_COSINE);
    ck_assert(c.train.warmup_steps == 5000 && c.train.lr == 5e-5 && c.train.weight_decay == 0.05);
    ck_assert(c.distill.lambda_ce == 1 && c.distill.lambda_kd == 1 && c.distill.temperature == 2);
    ck_assert(c.train.batch_labelled == 256 && c.train.epochs == 32 && c.eval.resize == 224);
    ck_assert(c.eval.alpha == 0.5 && c.eval.beta == 0.5 && c.data.label_seed == 1);
    ck_assert_int_eq(c.student.head_kd, DHO_HEAD_AUTO);
    ck_assert_int_eq(c.train.forward, DHO_FORWARD_STACKED);
    ck_assert_int_eq(c.data.interpolation, DHO_FILTER_BICUBIC);
    ck_assert_int_eq(c.eval.interpolation, DHO_FILTER_BICUBIC);
    ck_assert_double_eq(c.data.mean[0], 0.485);
    dho_config_free(&c);
    ck_assert_ok(parse(&c, SHOTS "student: {init: a}\n", NULL));
    ck_assert_int_eq(c.train.schedule, DHO_SCHEDULE_COSINE);
    ck_assert(c.distill.lambda_ce == 0.5 && c.distill.lambda_kd == 0.5 && c.train.lr == 1e-3);
    ck_assert_int_eq(c.data.interpolation, DHO_FILTER_BICUBIC);
    ck_assert_int_eq(c.eval.interpolation, DHO_FILTER_BILINEAR);
    dho_config_free(&c);
    ck_assert_ok(
        parse(&c, FINE "student: {init: \"\"}\ntrain: {lr: 2e-3, warmup_steps: 7}\n", NULL));
    ck_assert_int_eq(c.train.schedule, DHO_SCHEDULE_LINEAR);
    ck_assert_int_eq(c.train.forward, DHO_FORWARD_SEPARATE);
    ck_assert_int_eq(c.train.epoch_of, DHO_EPOCH_SHORTER);
    ck_assert_int_eq(c.data.interpolation, DHO_FILTER_BILINEAR);
    ck_assert_int_eq(c.eval.interpolation, DHO_FILTER_BILINEAR);
    ck_assert_int_eq(c.eval.resize, 224);
    /* Sizes of the experiment stay choices, and one way of saying the warm-up replaces the other.
     */
    ck_assert(c.train.lr == 2e-3 && c.train.warmup_steps == 7 && c.train.warmup_fraction == 0);
    char *text;
    dho_config again;
    ck_assert_ok(dho_config_format(&c, false, &text));
    ck_assert_ok(parse(&again, text, NULL));
    ck_assert_int_eq(again.train.forward, DHO_FORWARD_SEPARATE);
    dho_config_free(&again);
    dho_free(text);
    dho_config_free(&c);
}
END_TEST

/* How the public code fills batches, whom it leaves out, and whose alpha and beta its tables have.
 */
START_TEST(test_reference_of_loaders)
{
    static const char *const families[] = {SEMI, SHOTS, FINE};
    dho_config c;
    for (size_t i = 0; i < 3; i++) {
        char text[256];
        snprintf(text, sizeof text, "%sstudent: {init: a}\n", families[i]);
        ck_assert_ok(parse(&c, text, NULL));
        ck_assert_int_eq(c.train.batches, DHO_BATCHES_LOADER);
        ck_assert_int_eq(c.eval.ties, DHO_TIES_FIRST);
        ck_assert(c.data.exclude_labelled);
        ck_assert_int_eq(c.data.small_classes, i == 0 ? DHO_SMALL_ONCE : DHO_SMALL_REPEAT);
        ck_assert_double_eq(c.eval.alpha, i == 1 ? 0.4 : 0.5);
        ck_assert_double_eq(c.eval.beta, i == 2 ? 1 : 0.5);
        dho_config_free(&c);
    }
    ck_assert_ok(parse(&c, SHOTS "student: {init: a}\nteacher: {head: tip.safetensors}\n", NULL));
    ck_assert(c.eval.alpha == 0.2 && c.eval.beta == 0.5);
    dho_config_free(&c);
    ck_assert_ok(parse(&c,
                       REFERENCE
                       "data: {root: r, labels: shots, shots: 1, exclude_labelled: false}\n"
                       "student: {init: a}\n",
                       NULL));
    ck_assert(!c.data.exclude_labelled);
    dho_config_free(&c);
    ck_assert_ok(parse(&c, "{}", NULL));
    ck_assert_int_eq(c.train.batches, DHO_BATCHES_STREAM);
    ck_assert_int_eq(c.eval.ties, DHO_TIES_MIDDLE);
    ck_assert(!c.data.exclude_labelled);
    dho_config_free(&c);
}
END_TEST

/* Steps or epochs: the one that is said, --set before the file; what is printed can be read again.
 */
START_TEST(test_length)
{
    static const struct {
        const char *text, *override;
        double epochs;
        int64_t steps;
    } cases[] = {
        {"{}", NULL, 20, 0},
        {"train: {steps: 5}", NULL, 0, 5},
        {"train: {epochs: 0, steps: 5}", NULL, 0, 5},
        {"train: {epochs: 3, steps: 0}", NULL, 3, 0},
        {"train: {epochs: 3}", "train.steps=7", 0, 7},
        {"train: {steps: 7}", "train.epochs=3", 3, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dho_config c, again;
        char *text;
        ck_assert_ok(parse(&c, cases[i].text, cases[i].override));
        ck_assert_double_eq(c.train.epochs, cases[i].epochs);
        ck_assert_int_eq(c.train.steps, cases[i].steps);
        ck_assert_ok(dho_config_format(&c, false, &text));
        ck_assert_ok(parse(&again, text, NULL));
        ck_assert(again.train.epochs == c.train.epochs && again.train.steps == c.train.steps);
        dho_free(text);
        dho_config_free(&c);
        dho_config_free(&again);
    }
}
END_TEST

/* The config.yaml of a run of an older dho has all keys, and both of these. */
START_TEST(test_length_of_older_runs)
{
    dho_config c;
    char *text;
    ck_assert_ok(parse(&c, "train: {steps: 5}", NULL));
    ck_assert_ok(dho_config_format(&c, false, &text));
    dho_config_free(&c);
    char *epochs = strstr(text, "  epochs: 0\n"), *batches = strstr(text, "  batches: stream\n");
    ck_assert(epochs != NULL && batches != NULL);
    epochs[strlen("  epochs: ")] = '7';
    ck_assert_fails(parse(&c, text, NULL), DHO_ERR_CONFIG, "cannot both be set");
    memmove(batches, batches + strlen("  batches: stream\n"),
            strlen(batches + strlen("  batches: stream\n")) + 1);
    ck_assert_ok(parse(&c, text, NULL));
    ck_assert(c.train.steps == 5 && c.train.epochs == 0);
    dho_config_free(&c);
    dho_free(text);
}
END_TEST

/* A CLIP student: CLIP's normalisation, and a cosine distillation head, which auto means. */
START_TEST(test_reference_of_clip_students)
{
    dho_config c;
    ck_assert_ok(parse(&c,
                       REFERENCE "data: {labels: balanced, percent: 1}\n"
                                 "student: {model: clip_vit_b16, init: a, head_init: b}\n",
                       NULL));
    ck_assert_uint_eq(c.data.label_seed, 13);
    ck_assert(c.data.mean[2] == 0.40821073 && c.data.std[0] == 0.26862954);
    ck_assert_int_eq(c.student.head_kd, DHO_HEAD_AUTO);
    dho_config_free(&c);
    ck_assert_ok(parse(&c,
                       SEMI
                       "student: {model: clip_vit_b16, init: a, head_init: b, head_ce: linear, "
                       "head_kd: cosine}\n",
                       NULL));
    dho_config_free(&c);
    ck_assert_ok(parse(&c, SHOTS "student: {init: a, head_kd: linear}\n", NULL));
    dho_config_free(&c);
}
END_TEST

START_TEST(test_reference_refuses)
{
    const char *const cases[][2] = {
        {REFERENCE, "t.yaml:1:1: compat: reference needs data.labels: percent, balanced or file"},
        {SHOTS "train: {forward: separate}\n",
         "t.yaml:3:9: train.forward: expected stacked, as compat: reference has it"},
        {SHOTS "student: {init: a, head_ce: cosine}\n", "student.head_ce: expected linear"},
        {SHOTS "student: {init: a, head_kd: cosine}\n", "student.head_kd: expected linear"},
        {SHOTS "student: {init: a, head_scale: 30}\n", "student.head_scale: expected 100"},
        {SEMI "student: {model: clip_rn50, init: a, head_init: b, head_kd: linear}\n",
         "student.head_kd: expected cosine"},
        {SHOTS, "t.yaml:1:1: compat: reference needs student.init"},
        {SEMI "student: {model: clip_rn50, init: a}\n",
         "compat: reference needs student.head_init"},
        {FINE "student: {init: a}\n" SETS "}\n", "chooses alpha and beta on val"},
    };
    dho_config c;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_fails(parse(&c, cases[i][0], NULL), DHO_ERR_CONFIG, cases[i][1]);
    ck_assert_ok(parse(&c, SHOTS "student: {init: a}\n" SETS ", select_on: \"\"}\n", NULL));
    dho_config_free(&c);
    ck_assert_ok(parse(&c, SHOTS "method: kd\nstudent: {init: a}\n" SETS "}\n", NULL));
    dho_config_free(&c);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* --- right inputs ----------------------------------------------------------------------------- */

static void check_defaults(const dho_config *c)
{
    ck_assert_uint_eq(c->seed, 0);
    ck_assert_int_eq(c->method, DHO_METHOD_DHO);
    ck_assert_str_eq(c->out, "runs/default");
    ck_assert_int_eq(c->data.format, DHO_FORMAT_IMAGEFOLDER);
    ck_assert_str_eq(c->data.root, "");
    ck_assert_str_eq(c->data.split_file, "");
    ck_assert_str_eq(c->data.split, "train");
    ck_assert_int_eq(c->data.labels, DHO_LABELS_ALL);
    ck_assert_uint_eq(c->data.label_seed, 1);
    ck_assert_int_eq(c->data.image_size, 224);
    ck_assert(c->data.crop_scale[0] == 0.5 && c->data.crop_scale[1] == 1.0);
    ck_assert(c->data.crop_ratio[0] == 0.75 && c->data.crop_ratio[1] == 4.0 / 3);
    ck_assert(c->data.flip);
    ck_assert_int_eq(c->data.interpolation, DHO_FILTER_BICUBIC);
    ck_assert(c->data.mean[0] == .485 && c->data.mean[1] == .456 && c->data.mean[2] == .406);
    ck_assert(c->data.std[0] == .229 && c->data.std[1] == .224 && c->data.std[2] == .225);
    ck_assert_int_eq(c->data.loader_threads, 0);
    ck_assert_int_eq(c->data.prefetch, 4);
    ck_assert_int_eq(c->data.on_error, DHO_POLICY_FAIL);
    ck_assert_str_eq(c->student.model, "resnet18");
    ck_assert_int_eq(c->student.width, 0);
    ck_assert_str_eq(c->student.init, "");
    ck_assert_str_eq(c->teacher.cache, "");
    ck_assert(c->distill.temperature == 2 && c->distill.lambda_ce == 1 &&
              c->distill.lambda_kd == 1);
    ck_assert_int_eq(c->compat, DHO_COMPAT_NONE);
    ck_assert_int_eq(c->student.head_ce, DHO_HEAD_AUTO);
    ck_assert_int_eq(c->student.head_kd, DHO_HEAD_AUTO);
    ck_assert(c->student.head_scale == 100 && c->distill.lambda_feature == 1);
    ck_assert_int_eq(c->distill.feature_loss, DHO_FEATURE_MSE);
    ck_assert_int_eq(c->train.forward, DHO_FORWARD_STACKED);
    ck_assert_int_eq(c->train.epoch_of, DHO_EPOCH_UNLABELLED);
    ck_assert_int_eq(c->train.conflict_every, 0);
}

static void check_defaults_of_train_and_eval(const dho_config *c)
{
    ck_assert_int_eq(c->train.shards, 4);
    ck_assert_int_eq(c->train.batch_labelled, 64);
    ck_assert_int_eq(c->train.batch_unlabelled, 64);
    ck_assert(c->train.epochs == 20 && c->train.steps == 0);
    ck_assert_int_eq(c->train.optimizer, DHO_OPTIMIZER_ADAMW);
    ck_assert(c->train.lr == 1e-3 && c->train.weight_decay == 0.01 && c->train.beta1 == 0.9);
    ck_assert(c->train.beta2 == 0.999 && c->train.eps == 1e-8 && c->train.momentum == 0.9);
    ck_assert_int_eq(c->train.schedule, DHO_SCHEDULE_COSINE);
    ck_assert(c->train.warmup_steps == 0 && c->train.warmup_fraction == 0);
    ck_assert(c->train.warmup_start == 0.01);
    ck_assert_int_eq(c->train.checkpoint_every, 500);
    ck_assert_int_eq(c->train.checkpoint_keep, 2);
    ck_assert_int_eq(c->train.checkpoint_keep_every, 0);
    ck_assert_int_eq(c->train.checkpoint_failures, 3);
    ck_assert_int_eq(c->train.log_every, 10);
    ck_assert_int_eq(c->train.on_nonfinite, DHO_POLICY_FAIL);
    ck_assert_int_eq(c->compute.backend, DHO_BACKEND_AUTO);
    ck_assert_int_eq(c->compute.dtype, DHO_DTYPE_FP32);
    ck_assert_int_eq(c->compute.threads, 0);
    ck_assert_uint_eq(c->eval.set_count, 0);
    ck_assert_str_eq(c->eval.select_on, "");
    ck_assert_int_eq(c->eval.resize, 0);
    ck_assert_int_eq(c->eval.interpolation, DHO_FILTER_BICUBIC);
    ck_assert_int_eq(c->eval.batch, 64);
    ck_assert_uint_eq(c->eval.alpha_count, 21);
    for (int i = 0; i <= 20; i++) ck_assert(c->eval.alphas[i] == i * 5 / 100.0);
    ck_assert_uint_eq(c->eval.beta_count, 7);
    ck_assert(c->eval.betas[0] == 0.5 && c->eval.betas[1] == 0.75 && c->eval.betas[6] == 4);
    ck_assert(c->eval.alpha == 0.5 && c->eval.beta == 1);
}

START_TEST(test_defaults)
{
    static const char *const empty[] = {
        "", "# nothing\n", "---\n", "{}\n", "null\n", "\xef\xbb\xbf", "%YAML 1.1\n---\n...\n"};
    dho_config config;
    ck_assert_ok(parse(&config, empty[_i], NULL));
    check_defaults(&config);
    check_defaults_of_train_and_eval(&config);
    dho_config_free(&config);
}
END_TEST

static const char everything[] =
    "# A comment with a tab:\t.\n"
    "seed: 18446744073709551615\nmethod: single_head\nout: \"runs/\\\"x\\\\ \xc3\xa9 #1: y\"\n"
    "data:\n  format: coop\n  root: /data/caltech\n  split_file: 'it''s.json'\n  split: val\n"
    "  labels: percent\n  shots: 3\n  percent: 0.1\n  label_seed: 9\n  image_size: 32\n"
    "  crop_scale: [.08, 1.]\n  crop_ratio: [1, 1]\n  flip: false\n  interpolation: bilinear\n"
    "  mean: [-0.1, 1e-3, +2]\n  std: [1, 2.5e-1, 3]\n  on_error: skip\n"
    "student: {model: null, width: 8, init: \"null\"}\n"
    "teacher:\n  cache: 123\n"
    "distill: {temperature: 0.1, lambda_ce: 0, lambda_kd: 1e300}\n"
    "train:\n  shards: 8\n  batch_labelled: 0\n  lr: 4.9406564584124654e-324\n  epochs: 0.3\n"
    "  optimizer: sgd\n  warmup_fraction: 0.1\n"
    "compute: {backend: onednn, dtype: fp32, threads: 3}\n"
    "eval:\n  select_on: v.2-x\n  alphas: [0, 0.30000000000000004, 1]\n"
    "  sets:\n  - name: test\n    split: test\n  - {name: v.2-x, format: imagefolder, root: /a}\n"
    "  - name: '3'\n    root: \"- a\"\n    split: val\n    mask_classes: false\n";

START_TEST(test_values)
{
    dho_config c;
    ck_assert_ok(parse(&c, everything, "student.model=clip_vit_b16"));
    ck_assert_uint_eq(c.seed, UINT64_MAX);
    ck_assert_int_eq(c.method, DHO_METHOD_SINGLE_HEAD);
    ck_assert_str_eq(c.out, "runs/\"x\\ \xc3\xa9 #1: y");
    ck_assert_str_eq(c.data.split_file, "it's.json");
    ck_assert_str_eq(c.student.model, "clip_vit_b16");
    ck_assert_str_eq(c.student.init, "null");
    ck_assert_str_eq(c.teacher.cache, "123");
    ck_assert(c.data.mean[0] == -0.1 && c.data.mean[1] == 0.001 && c.data.mean[2] == 2);
    ck_assert(c.train.lr > 0 && c.train.lr < 1e-320);
    ck_assert_uint_eq(c.eval.set_count, 3);
    ck_assert_str_eq(c.eval.sets[0].root, "/data/caltech");
    ck_assert_str_eq(c.eval.sets[0].split_file, "it's.json");
    ck_assert_int_eq(c.eval.sets[0].format, DHO_FORMAT_COOP);
    ck_assert(c.eval.sets[0].mask_classes);
    ck_assert_int_eq(c.eval.sets[1].format, DHO_FORMAT_IMAGEFOLDER);
    ck_assert_str_eq(c.eval.sets[1].root, "/a");
    ck_assert_str_eq(c.eval.sets[1].split, "");
    ck_assert_str_eq(c.eval.sets[2].name, "3");
    ck_assert_str_eq(c.eval.sets[2].root, "- a");
    ck_assert(!c.eval.sets[2].mask_classes);
    dho_config_free(&c);
}
END_TEST

START_TEST(test_overrides)
{
    const char *const overrides[] = {
        "train.lr=0.1",          "train.lr=0.2", /* the last one wins */
        "eval.alphas=[0,0.5,1]", "eval.alphas[1]=0.25",    "eval.sets[0].root=/new",
        "eval.sets[1].name=b",   "eval.sets[1].root=/b=c", "data.flip=false",
        "out=runs/a:b",          "student.init=\"\""};
    const char text[] = "train: {lr: wrong}\ndata:\nstudent: {init: x}\n"
                        "eval:\n  sets:\n  - {name: a, root: /old}\n";
    dho_config c;
    ck_assert_ok(dho_config_parse(&c, text, strlen(text), "t.yaml", overrides,
                                  sizeof overrides / sizeof overrides[0]));
    ck_assert(c.train.lr == 0.2);
    ck_assert_uint_eq(c.eval.alpha_count, 3);
    ck_assert(c.eval.alphas[0] == 0 && c.eval.alphas[1] == 0.25 && c.eval.alphas[2] == 1);
    ck_assert_uint_eq(c.eval.set_count, 2);
    ck_assert_str_eq(c.eval.sets[0].name, "a");
    ck_assert_str_eq(c.eval.sets[0].root, "/new");
    ck_assert_str_eq(c.eval.sets[1].name, "b");
    ck_assert_str_eq(c.eval.sets[1].root, "/b=c");
    ck_assert(!c.data.flip);
    ck_assert_str_eq(c.out, "runs/a:b");
    ck_assert_str_eq(c.student.init, "");
    dho_config_free(&c);
    ck_assert_ok(parse(&c, "", "eval.sets=[{name: x, root: y}]"));
    ck_assert_uint_eq(c.eval.set_count, 1);
    dho_config_free(&c);
    /* A count left over from the file does not stand in the way of an override. */
    ck_assert_ok(parse(&c, "data: {labels: shots, shots: 4}\n", "data.labels=all"));
    dho_config_free(&c);
}
END_TEST

START_TEST(test_check_train)
{
    dho_config c;
    ck_assert_ok(parse(&c, "", NULL));
    ck_assert_fails(dho_config_check_train(&c, "t.yaml"), DHO_ERR_CONFIG,
                    "t.yaml: data.root: needed to train");
    dho_config_free(&c);
    ck_assert_ok(parse(&c, "data: {root: x}\n", NULL));
    ck_assert_fails(dho_config_check_train(&c, "t.yaml"), DHO_ERR_CONFIG,
                    "t.yaml: teacher.cache: needed to train with method: dho");
    dho_config_free(&c);
    ck_assert_ok(parse(&c, "data: {root: x}\n", "method=ce"));
    ck_assert_ok(dho_config_check_train(&c, "t.yaml"));
    dho_config_free(&c);
}
END_TEST

START_TEST(test_holdout)
{
    dho_config c;
    char text[160];
    ck_assert_ok(parse(&c, "data: {root: x}\n", NULL));
    ck_assert(dho_config_holdout(&c).percent == 0 && dho_config_holdout(&c).images == 0);
    dho_config_describe_holdout(&c, text, sizeof text);
    ck_assert_str_eq(text, "");
    dho_config_free(&c);
    ck_assert_ok(parse(&c, "data: {root: x, holdout: 12.50%}\n", NULL));
    ck_assert_str_eq(c.data.holdout, "12.5 %");
    ck_assert_str_eq(c.eval.select_on, "holdout");
    ck_assert_double_eq(dho_config_holdout(&c).percent, 12.5);
    dho_config_describe_holdout(&c, text, sizeof text);
    ck_assert_str_eq(text, "12.5 % of each class's labelled training images, held out of training");
    dho_config_free(&c);
    ck_assert_ok(parse(&c, "data: {root: x}\neval: {select_on: \"\"}\n", "data.holdout=1"));
    ck_assert_int_eq(dho_config_holdout(&c).images, 1);
    ck_assert_str_eq(c.eval.select_on, "");
    dho_config_describe_holdout(&c, text, sizeof text);
    ck_assert_str_eq(text, "1 labelled training image of each class, held out of training");
    dho_config_free(&c);
    /* Without the key the name is a set's like any other. */
    ck_assert_ok(parse(&c, "eval: {select_on: holdout, sets: [{name: holdout, root: r}]}\n", NULL));
    dho_config_free(&c);
}
END_TEST

START_TEST(test_method_names)
{
    ck_assert_str_eq(dho_method_name(DHO_METHOD_CE), "ce");
    ck_assert_str_eq(dho_method_name(DHO_METHOD_KD), "kd");
    ck_assert_str_eq(dho_method_name(DHO_METHOD_SINGLE_HEAD), "single_head");
    ck_assert_str_eq(dho_method_name(DHO_METHOD_DHO), "dho");
}
END_TEST

/* --- printing --------------------------------------------------------------------------------- */

/* Compares all members through their printed form, which is exact. */
static void check_round_trip(const char *text, const char *override)
{
    dho_config first, second;
    char *plain, *commented, *again;
    ck_assert_ok(parse(&first, text, override));
    ck_assert_ok(dho_config_format(&first, false, &plain));
    ck_assert_ok(dho_config_format(&first, true, &commented));
    const char *const printed[] = {plain, commented};
    for (int i = 0; i < 2; i++) {
        ck_assert_ok(parse(&second, printed[i], NULL));
        ck_assert_ok(dho_config_format(&second, false, &again));
        ck_assert_str_eq(again, plain);
        ck_assert(second.train.lr == first.train.lr);
        ck_assert(second.data.percent == first.data.percent);
        ck_assert_mem_eq(second.data.mean, first.data.mean, sizeof first.data.mean);
        ck_assert_uint_eq(second.eval.alpha_count, first.eval.alpha_count);
        ck_assert_mem_eq(second.eval.alphas, first.eval.alphas,
                         first.eval.alpha_count * sizeof(double));
        ck_assert_str_eq(second.out, first.out);
        dho_free(again);
        dho_config_free(&second);
    }
    for (size_t i = 0; i < dho_schema_config.count; i++) {
        const char *dot = strrchr(dho_schema_config.fields[i].key, '.');
        char line[64];
        snprintf(line, sizeof line, "%s%s:", dot != NULL ? "\n  " : "",
                 dot != NULL ? dot + 1 : dho_schema_config.fields[i].key);
        ck_assert_msg(strstr(plain, line) != NULL, "not printed: %s", line);
    }
    dho_free(plain);
    dho_free(commented);
    dho_config_free(&first);
}

START_TEST(test_round_trip)
{
    check_round_trip("", NULL);
    check_round_trip(everything, "student.model=clip_vit_b16");
    static const char *const outs[] = {"'yes'",  "'123'",  "'null'", "'a~'",
                                       "'- x'",  "'#x'",   "' x '",  "'a: b'",
                                       "'[a]'",  "'*a'",   "'...'",  "\"\\\\\\\"'\"",
                                       "'%x'",   "'---'",  "'@x'",   "'!x'",
                                       "'|'",    "'x #y'", "'-'",    "\"\xf0\x9f\x98\x80\"",
                                       "'0x10'", "'.5'",   "'a,b'",  "'\"\\n\"'",
                                       "'{}'",   "'? a'",  "'k:'"};
    for (size_t i = 0; i < sizeof outs / sizeof outs[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "out: %s\n", outs[i]);
        check_round_trip(text, NULL);
    }
}
END_TEST

START_TEST(test_changes)
{
    dho_config c;
    char *text;
    ck_assert_ok(parse(&c, "", NULL));
    ck_assert_ok(dho_config_format_changes(&c, &text));
    ck_assert_str_eq(text, "");
    dho_free(text);
    dho_config_free(&c);
    ck_assert_ok(parse(&c,
                       "seed: 3\ndata: {root: x, labels: all}\ntrain: {lr: 1e-3, shards: 8}\n"
                       "eval: {betas: [1], sets: [{name: v}]}\n",
                       NULL));
    ck_assert_ok(dho_config_format_changes(&c, &text));
    ck_assert_ptr_nonnull(strstr(text, "seed: 3\ndata.root: x\ntrain.shards: 8\neval.sets:\n"
                                       "    - name: v\n"));
    ck_assert_ptr_nonnull(strstr(text, "\neval.betas: [1]\n"));
    ck_assert_ptr_null(strstr(text, "train.lr"));
    dho_free(text);
    ck_assert_allocations(dho_config_format_changes(&c, &text));
    dho_free(text);
    dho_config_free(&c);
}
END_TEST

START_TEST(test_numbers_are_short_and_exact)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},       {1.0 / 3, "0.3333333333333333"},
                 {20, "20"},         {1e-8, "1e-08"},
                 {-2.5, "-2.5"},     {0.1 + 0.2, "0.30000000000000004"},
                 {1e300, "1e+300"},  {-0.0, "-0"},
                 {5e-324, "5e-324"}, {1e15, "1e+15"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[DHO_NUMBER_BYTES];
        dho_schema_number(cases[i].value, text);
        ck_assert_str_eq(text, cases[i].text);
        ck_assert(strtod(text, NULL) == cases[i].value);
    }
}
END_TEST

START_TEST(test_comments_say_what_a_key_is)
{
    dho_config c;
    char *text;
    ck_assert_ok(parse(&c, "", NULL));
    ck_assert_ok(dho_config_format(&c, true, &text));
    ck_assert_ptr_nonnull(
        strstr(text, "\n  lr: 0.001                             # learning rate"));
    ck_assert_ptr_nonnull(strstr(text, "[pixels; in [32, 1024]]"));
    ck_assert_ptr_nonnull(strstr(text, "[fp32, bf16]"));
    dho_free(text);
    dho_config_free(&c);
}
END_TEST

/* A program with decimal commas gets and writes the same numbers. */
START_TEST(test_decimal_comma)
{
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
        printf("no de_DE.UTF-8 here: decimal commas are not tested\n");
        return;
    }
    check_round_trip("train: {lr: 0.25}\n", NULL);
}
END_TEST

/* --- memory ----------------------------------------------------------------------------------- */

/* Every allocation fails once; nothing stays behind, and the message says so. */
START_TEST(test_every_allocation_can_fail)
{
    const int64_t before = dho_alloc_get_stats().live_blocks;
    int64_t n = 1;
    for (;; n++) {
        dho_config config;
        char *text = NULL;
        const char *const overrides[] = {"student.model=resnet50",
                                         "eval.sets[3]={name: n, split: val}", "eval.betas=[1]"};
        dho_alloc_fail_at(n);
        dho_status status =
            dho_config_parse(&config, everything, strlen(everything), "t.yaml", overrides, 3);
        if (status == DHO_OK) status = dho_config_format(&config, true, &text);
        dho_alloc_fail_at(0);
        if (status != DHO_OK) {
            ck_assert_int_eq(status, DHO_ERR_MEMORY);
            ck_assert_ptr_nonnull(strstr(dho_error_message(), "cannot allocate"));
        }
        dho_free(text);
        dho_config_free(&config);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before);
        if (status == DHO_OK) break;
    }
    ck_assert_int_gt(n, 100);
}
END_TEST

/* --- documentation ---------------------------------------------------------------------------- */

START_TEST(test_documentation_is_up_to_date)
{
    check_document("schema", "docs/configuration.md", "test_config", schema_table);
    check_document("decides", "docs/checkpoint.md", "test_config", decides_table);
}
END_TEST

/* Every configuration in configs/ is accepted. */
START_TEST(test_shipped_configurations)
{
    dho_name_list list;
    ck_assert_ok(dho_list_folder(&list, "configs"));
    for (size_t i = 0; i < list.count; i++) {
        const char *end = strrchr(list.names[i], '.');
        if (end == NULL || strcmp(end, ".yaml") != 0) continue;
        char *path;
        dho_config config;
        ck_assert_ok(dho_path_join(&path, "configs", list.names[i]));
        ck_assert_ok(dho_config_load(&config, path, NULL, 0));
        dho_config_free(&config);
        dho_free(path);
    }
    dho_name_list_free(&list);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tests = tcase_create("config");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_reference_of_each_family);
    tcase_add_test(tests, test_reference_of_loaders);
    tcase_add_test(tests, test_length);
    tcase_add_test(tests, test_length_of_older_runs);
    tcase_add_test(tests, test_reference_of_clip_students);
    tcase_add_test(tests, test_reference_refuses);
    tcase_add_loop_test(tests, test_wrong_input, 0, (int)(sizeof wrongs / sizeof wrongs[0]));
    tcase_add_test(tests, test_long_values_are_cut);
    tcase_add_test(tests, test_limits);
    tcase_add_test(tests, test_load);
    tcase_add_loop_test(tests, test_defaults, 0, 7);
    tcase_add_test(tests, test_values);
    tcase_add_test(tests, test_overrides);
    tcase_add_test(tests, test_check_train);
    tcase_add_test(tests, test_holdout);
    tcase_add_test(tests, test_method_names);
    tcase_add_test(tests, test_round_trip);
    tcase_add_test(tests, test_changes);
    tcase_add_test(tests, test_numbers_are_short_and_exact);
    tcase_add_test(tests, test_comments_say_what_a_key_is);
    tcase_add_test(tests, test_decimal_comma);
    tcase_add_test(tests, test_every_allocation_can_fail);
    tcase_add_test(tests, test_documentation_is_up_to_date);
    tcase_add_test(tests, test_shipped_configurations);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
