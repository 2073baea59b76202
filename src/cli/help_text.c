/* The one list of commands and their options: the help of the program, and of each command.
 * tests/e2e/help.sh holds it against what the commands know. */
#include "cli/help.h"

#define CONFIG_OPTIONS                                               \
    "-c, --config FILE\tthe configuration (docs/configuration.md)\n" \
    "--set key=value\toverrides a key of it; may be given again\n"

const dho_help dho_help_entries[] = {
    {"synth", "--out DIR [--seed N] [--train N] [--val N] [--test N] [--threads N]",
     "writes the built-in data set: JPEG folders train, val and four shifted test sets",
     "--out DIR\twhere to\n"
     "--seed N\tof every image (default 0)\n"
     "--train N\timages a class of train (default 300)\n"
     "--val N\timages a class of val (default 50)\n"
     "--test N\timages a class of each test set (default 50)\n"
     "--threads N\t0 (default): all cores\n"},
    {"train",
     "CONFIG [--set key=value ...] [--out DIR] [--resume auto|never|PATH]\n"
     "[--print-config]   (-c CONFIG is the same)",
     "trains a student; checkpoints, metrics and the resolved configuration go to its folder",
     "CONFIG\tthe configuration; or the folder of a run, which goes on\n" CONFIG_OPTIONS
     "--out DIR\tthe run's folder, instead of the configuration's out\n"
     "--resume WORD\tauto (default): goes on from the newest whole checkpoint of the folder;\n"
     "\tnever: fails when there is one; or a checkpoint or the folder of a run\n"
     "--print-config\tprints every key with its value and meaning, and ends\n"},
    {"eval",
     "RUN [--set key=value ...] [--out DIR] [--stored]\n"
     "or -c CONFIG [--checkpoint PATH] [--set key=value ...] [--out DIR] [--stored]",
     "top-1 and top-5 of every set of eval.sets, by all ranks; alpha and beta are chosen on\n"
     "eval.select_on",
     "RUN\tthe folder of a run (its newest checkpoint), or one of its checkpoints;\n"
     "\tits own configuration says the rest\n" CONFIG_OPTIONS
     "--checkpoint PATH\ta checkpoint or the folder of a run (default: the newest one of --out)\n"
     "--out DIR\tthe run's folder, instead of the configuration's out\n"
     "--stored\ttakes the head outputs of an earlier evaluation: no student, no images\n"},
    {"compare", "RUN ...", "one table of several evaluated runs", NULL},
    {"table",
     "[NAME|FILE [--runs DIR] [--only axis=value,...] [--set key=value ...]\n"
     "[--markdown | --json | --missing]]",
     "the runs of a table, measured beside published (docs/tables.md); without NAME: which tables\n"
     "there are",
     "--runs DIR\twhere the runs are (default: runs)\n"
     "--only AXIS=VALUE,...\tthis part of the table\n"
     "--set key=value\toverrides a key of every run's configuration\n"
     "--markdown\tas Markdown\n"
     "--json\tevery number with its interval\n"
     "--missing\ta script that makes the runs that are not there\n"},
    {"report", "RUN ... [--out FILE.html] [--svg DIR] [--samples N]",
     "runs side by side as one HTML page (docs/report.md)",
     "--out FILE.html\tthe page (default: report.html)\n"
     "--svg DIR\talso each figure as a file\n"
     "--samples N\timages of each kind that are shown (default 6)\n"},
    {"cache build",
     "-c CONFIG (--teacher PATH | --clip MODEL --weights FILE [--key KEY]\n"
     "--head FILE [--resize-mode squash|shortest]) [--out DIR] [--views K | --center]\n"
     "[--store embedding|logits] [--encoding fp16|int8 | --top K] [--shards S]\n"
     "[--set key=value ...]",
     "runs a teacher over the training images, all ranks; an interrupted build goes on",
     CONFIG_OPTIONS
     "--teacher PATH\ta model that dho trained: a checkpoint or the folder of a run\n"
     "--clip MODEL\ta CLIP image tower: clip_rn50, clip_vit_b16, clip_vit_l14,\n"
     "\tclip_vit_l14_336 or clip_vit_h14_378 (docs/teachers.md)\n"
     "--weights FILE\tits weights, safetensors or PyTorch\n"
     "--key KEY\twhere in a PyTorch file they lie\n"
     "--head FILE\tits head (dho teacher zero-shot)\n"
     "--resize-mode WORD\tsquash or shortest, as open_clip names them (default: the model's)\n"
     "--out DIR\tthe cache (default: the configuration's teacher.cache)\n"
     "--views K\trandom crops of each image (default 1)\n"
     "--center\tone centre crop of each image, for any crop of the student\n"
     "--store WORD\tembedding (default) or logits\n"
     "--encoding WORD\tfp16 (default) or int8\n"
     "--top K\tthe K largest logits, the rest as one; needs --store logits\n"
     "--shards S\tfiles (default 64); train.shards must divide it\n"},
    {"cache import",
     "-c CONFIG (--features FILE --head FILE [--scale X] [--no-normalise] |\n"
     "--logits FILE) [--out DIR] [--encoding fp16|int8 | --top K] [--shards S]\n"
     "[--set key=value ...]\n"
     "or -c CONFIG (--fkd DIR | --tinyvit DIR --crop-and-flip-only) [--out DIR]\n"
     "[--views K] [--top K] [--shards S] [--set key=value ...]",
     "a cache from what another program has computed (docs/teacher-cache.md)",
     CONFIG_OPTIONS
     "--features FILE\tsafetensors with the images' embeddings\n"
     "--head FILE\thow they become logits\n"
     "--scale X\tof the head, instead of the file's\n"
     "--no-normalise\ttakes the embeddings with the length they have\n"
     "--logits FILE\tsafetensors with the images' logits\n"
     "--fkd DIR\tsoft labels of FKD, with their crops\n"
     "--tinyvit DIR\tsoft labels of TinyViT, with their crops\n"
     "--crop-and-flip-only\tsays that --tinyvit was saved without other augmentations\n"
     "--views K\tof each image (default: all that are saved)\n"
     "--out DIR\tthe cache (default: the configuration's teacher.cache)\n"
     "--encoding WORD\tfp16 (default) or int8\n"
     "--top K\tthe K largest logits, the rest as one\n"
     "--shards S\tfiles (default 64); train.shards must divide it\n"},
    {"cache info", "DIR", "what a cache is", NULL},
    {"cache verify",
     "DIR [-c CONFIG (--teacher PATH | --clip MODEL --weights FILE [--key KEY]\n"
     "[--resize-mode squash|shortest]) [--head FILE] [--sample N] [--seed S]\n"
     "[--set key=value ...]]",
     "every checksum of a cache; with its teacher, computes some records again and compares",
     CONFIG_OPTIONS
     "--teacher PATH\twhat the cache was built with: a checkpoint or the folder of a run\n"
     "--clip MODEL\tor a CLIP image tower, as of cache build\n"
     "--weights FILE\tits weights\n"
     "--key KEY\twhere in a PyTorch file they lie\n"
     "--head FILE\tits head, for a cache of logits\n"
     "--resize-mode WORD\tas of cache build\n"
     "--sample N\trecords that are computed again (default 64)\n"
     "--seed S\tof the choice of these records\n"},
    {"teacher zero-shot",
     "--model MODEL --weights FILE [--key KEY] --merges FILE|DIR\n"
     "--templates FILE --out FILE (--classes FILE | -c CONFIG) [--scale X] [--keep-mean-norms]\n"
     "[--batch N] [--set key=value ...]",
     "class names in prompts become a head, by CLIP's text tower (docs/teachers.md)",
     "--model MODEL\tclip_rn50, clip_vit_b16, clip_vit_l14, clip_vit_l14_336 or\n"
     "\tclip_vit_h14_378\n"
     "--weights FILE\tits weights, safetensors or PyTorch\n"
     "--key KEY\twhere in a PyTorch file they lie\n"
     "--merges FILE|DIR\tits vocabulary: bpe_simple_vocab_16e6.txt.gz, or the folder of\n"
     "\tvocab.json and merges.txt\n"
     "--templates FILE\ta prompt a line, with {} for the class\n"
     "--classes FILE\tthe class names, instead of the dataset's\n"
     "--out FILE\tthe head, safetensors\n"
     "--scale X\tof the logits, instead of the model's\n"
     "--keep-mean-norms\tdoes not normalise the mean of a class's prompts\n"
     "--batch N\ttexts at a time (default 64)\n" CONFIG_OPTIONS},
    {"teacher embed",
     "--model MODEL --weights FILE [--key KEY] --out FILE\n"
     "(-c CONFIG [--resize-mode squash|shortest] | --texts FILE --merges FILE|DIR)\n"
     "[--set key=value ...]",
     "CLIP's embeddings of the dataset's images, or of the lines of a file",
     "--model MODEL\tas of teacher zero-shot\n"
     "--weights FILE\tits weights, safetensors or PyTorch\n"
     "--key KEY\twhere in a PyTorch file they lie\n"
     "--out FILE\tthe embeddings, safetensors\n"
     "--resize-mode WORD\tsquash or shortest, as open_clip names them (default: the model's)\n"
     "--texts FILE\tembeds its lines\n"
     "--merges FILE\tthe vocabulary for --texts, as of teacher zero-shot\n" CONFIG_OPTIONS},
    {"teacher tip-adapter",
     "--out FILE\n"
     "(-c CONFIG [--head FILE] | --shots FILE [--values FILE] --head FILE)\n"
     "[--alpha X] [--beta X] [--no-normalise]\n"
     "[--search FILE [--search-every N] | --hold-out N] [--search-scale B,A]\n"
     "[--search-steps B,A] [--test FILE]\n"
     "[--fine-tune [--epochs N] [--batch N] [--lr X] [--eps X] [--weight-decay X]\n"
     "[--seed N]] [--set key=value ...]",
     "a head with keys out of few labelled images (docs/tip-adapter.md)",
     CONFIG_OPTIONS
     "--out FILE\tthe head, safetensors\n"
     "--head FILE\tthe head it starts from (default: that of the configuration's cache)\n"
     "--shots FILE\tthe few-shot embeddings, instead of those of the cache\n"
     "--values FILE\ttheir labels, when --shots is Tip-Adapter's keys_Nshots.pt\n"
     "--alpha X\tweight of the keys (default 1.17)\n"
     "--beta X\tsharpness of the keys (default 1)\n"
     "--no-normalise\ttakes the keys of --shots with the length they have\n"
     "--search FILE\tchooses alpha and beta on these embeddings\n"
     "--search-every N\ton every N-th row of them only\n"
     "--hold-out N\tchooses alpha and beta on N shots of each class\n"
     "--search-scale B,A\tlargest beta and alpha of the search (default 7,3)\n"
     "--search-steps B,A\tvalues of beta and alpha of the search (default 200,20)\n"
     "--test FILE\tembeddings on which the result is measured\n"
     "--fine-tune\ttrains the keys (Tip-Adapter-F)\n"
     "--epochs N\tof the training (default 20)\n"
     "--batch N\trows of a step (default 256)\n"
     "--lr X\tAdamW's learning rate (default 1e-3)\n"
     "--eps X\tAdamW's (default 1e-4)\n"
     "--weight-decay X\tAdamW's (default 0.01)\n"
     "--seed N\tof the order of the rows (default 0)\n"},
    {"data check", "CONFIG [--decode] [--classes] [--set key=value ...]   (-c CONFIG is the same)",
     "are all images there, readable, in the right folders? what dho train needs, before a job is\n"
     "queued",
     "CONFIG\tthe configuration; or the folder of a run\n" CONFIG_OPTIONS
     "--decode\treads every image whole\n"
     "--classes\tcounts each class\n"},
    {"pack",
     "-c CONFIG --out DIR [--eval SET] [--shards N] [--set key=value ...]\n"
     "or --index DIR",
     "images into indexed tar shards (docs/shards.md)",
     CONFIG_OPTIONS "--out DIR\twhere to\n"
                    "--eval SET\ta set of eval.sets, instead of the training images\n"
                    "--shards N\ttars (default 64)\n"
                    "--index DIR\twrites the index of tars that have none\n"},
    {"weights inspect", "FILE [--key KEY] [--json]",
     "the tensors of a safetensors or PyTorch file (docs/weights.md)",
     "--key KEY\twhere in a PyTorch file they lie\n"
     "--json\tas JSON\n"},
    {"weights convert", "IN OUT.safetensors [--key KEY] [--strip PREFIX]",
     "the same tensors as safetensors",
     "--key KEY\twhere in a PyTorch file they lie\n"
     "--strip PREFIX\ttakes only names that begin so, without it\n"},
    {"export",
     "RUN [--out FILE.safetensors] [--head ce|kd|both|none]\n"
     "[--names openai|bare|huggingface|timm]   (--checkpoint RUN is the same)",
     "a trained student under the names that torchvision and CLIP's tools load",
     "RUN\tthe folder of a run (its newest checkpoint), or one of its checkpoints\n"
     "--checkpoint PATH\tthe same\n"
     "--out FILE\tsafetensors (default: student.safetensors in the run's folder)\n"
     "--head WORD\tof a student with two heads: ce, kd, both or none\n"
     "--names WORD\tof a CLIP student: openai, bare, huggingface or timm\n"},
    {"bench step",
     "[--model M] [--width N] [--layers N] [--image-size N] [--classes N]\n"
     "[--labelled N] [--unlabelled N] [--separate] [--dtype fp32|bf16]\n"
     "[--backend auto|ref|blis|onednn] [--recompute] [--threads N] [--steps N] [--serve]",
     "seconds, GFLOP/s and memory of a training step (docs/performance.md)",
     "--model M\tstudent.model (default resnet18)\n"
     "--width N\tstudent.width; 0 (default): as published\n"
     "--layers N\tstudent.layers; 0 (default): as published\n"
     "--image-size N\tpixels (default 224)\n"
     "--classes N\t(default 1000)\n"
     "--labelled N\tlabelled images of the step (default 16)\n"
     "--unlabelled N\tunlabelled images of the step (default 16)\n"
     "--separate\tlabelled and unlabelled images in passes of their own\n"
     "--dtype WORD\tcompute.dtype (default fp32)\n"
     "--backend WORD\tcompute.backend (default auto)\n"
     "--recompute\tcompute.recompute: block\n"
     "--threads N\t0 (default): as OMP_NUM_THREADS says\n"
     "--steps N\tsteps that are timed (default 5)\n"
     "--serve\ta step for each line of standard input\n"},
    {"bench allreduce", "[--floats N] [--steps N]", "the sum of gradients over the ranks",
     "--floats N\tthe largest sum (default 25600000)\n"
     "--steps N\ttimes each (default 5)\n"},
    {"bench data", "-c CONFIG [--seconds S] [--set key=value ...]", "images a second of the loader",
     CONFIG_OPTIONS "--seconds S\thow long (default 10)\n"},
};

const size_t dho_help_count = sizeof dho_help_entries / sizeof *dho_help_entries;
