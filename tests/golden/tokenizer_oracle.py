"""The oracle of the tokenizer tests: open_clip's SimpleTokenizer without ftfy and with OpenAI's marks.

    tokenizer_oracle.py golden VOCABULARY >tests/golden/tokenizer.json
    tokenizer_oracle.py compare VOCABULARY TOKENIZE    10,000 lines and every code point, through
                                                       the tool tests/tools/tokenize.c
    tokenizer_oracle.py folder VOCABULARY FOLDER       writes Hugging Face's vocab.json, merges.txt
"""
import html.entities
import json
import os
import random
import struct
import subprocess
import sys
import unicodedata

import numpy
import open_clip.tokenizer as reference
import regex

reference.ftfy.fix_text = lambda text: text
MARKS = ["<|startoftext|>", "<|endoftext|>"]


def make_oracle(vocabulary):
    oracle = reference.SimpleTokenizer(vocabulary)
    for mark, id in zip(MARKS, oracle.all_special_ids):  # as in openai/CLIP
        oracle.encoder[mark] = id
    oracle.cache = {mark: mark for mark in MARKS}
    oracle.pat = regex.compile(
        r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
        regex.IGNORECASE)
    return oracle


GOLDEN = [
    "", " ", "a photo of a cat.", "A Photo of a DOG, a type of pet.", "it's they'll I'd we've you're I'm can't",
    "  many \t\n spaces \u3000 here\u00a0", "12345 1st \u0662\u0663 \u2167 \u00bd", "na\u00efve caf\u00e9 \u00c5ngstr\u00f6m",
    "\u0130stanbul \u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3 a\u03a3. stra\u00dfe", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627", "\U0001f600\U0001f469\u200d\U0001f680 \U0001f1e9\U0001f1ea",
    "&amp;lt;b&amp;gt; &amp; &#65;&#x42 &notit; &copy2 &nosuch; &#128; &#1; &#0; &#x110000;",
    "<|startoftext|> x <|EndOfText|> y", "'\u017f 'S <|\u017ftartoftext|>", "e\u0301 x\u0345y \u0928\u092e\u0938\u094d\u0924\u0947", "!!'s ''t <|x", "word " * 100,
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "antidisestablishmentarianism supercalifragilistic",
]


def word(rng, alphabets):
    kind = rng.random()
    if kind < 0.25:
        return rng.choice(WORDS)
    if kind < 0.32:
        name = rng.choice(ENTITIES)
        return rng.choice(["&%s", "&amp;%s", "x&%sy", "&%s;"]) % name
    if kind < 0.37:
        return rng.choice(["&#%d;", "&#%d", "&#x%x;", "&#X%X", "&amp;#%d;"]) % rng.choice(
            [rng.randrange(300), rng.choice(KNOWN), rng.randrange(0x110000, 1 << 40)])
    if kind < 0.42:
        return "".join(rng.choice("abAB&#;x19'<|> lt") for _ in range(rng.randrange(1, 40)))
    alphabet = rng.choice(alphabets)
    text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 12)))
    return text + rng.choice(["", "", "'s", "'LL", "!?", "\u0301", "\u03a3", "1"])


WORDS = ["photo", "The", "I'm", "they'll", "1999", "caf\u00e9", "\u039f\u0394\u039f\u03a3", "a\u03a3'b", "it's", "e\u0301t\u00e9", "\U0001f469\u200d\U0001f680", "\u0130i",
         "ImageNet", "<|endoftext|>", "<|STARTOFTEXT|>", "...", "golden", "retriever", "\u017f", "'\u017f"]
ENTITIES = sorted(html.entities.html5)


def is_known(code):
    """Assigned in this Python's Unicode version, so that both agree on what it is."""
    return not 0xD800 <= code < 0xE000 and unicodedata.category(chr(code)) != "Cn"


KNOWN = [code for code in range(0x30000) if is_known(code)]


def make_lines(count):
    rng = random.Random(1)
    blocks = {}
    for code in KNOWN:
        blocks.setdefault(code >> 7, []).append(chr(code))
    alphabets = list(blocks.values())
    spaces = [" ", "", "  ", "\t", "\n", "\u00a0", "\u2003", "\x1c", "\x85"]
    lines = []
    for i in range(count):
        text = "".join(word(rng, alphabets) + rng.choice(spaces) for _ in range(rng.randrange(1, 14)))
        data = text.encode()
        if i % 10 == 0:  # bytes that are not UTF-8
            whole = data
            while data == whole or not all(map(is_known, map(ord, data.decode("utf-8", "replace")))):
                data = bytearray(whole)
                for _ in range(rng.randrange(1, 6)):
                    data[rng.randrange(len(data))] = rng.randrange(256)
        lines.append(bytes(data))
    # Every named reference, and every code point beside letters, where its lower case and its
    # class show.
    lines += [("&%s &%sx" % (name, name)).encode() for name in ENTITIES]
    known = [chr(code) for code in range(0x110000) if is_known(code) and not 0xE100 <= code < 0xF800 and
             code < 0xF0010]
    lines += [" ".join("a" + c + "b\u03a3" + c + " " + c + c for c in known[i:i + 4]).encode()
              for i in range(0, len(known), 4)]
    return lines


def compare(oracle, vocabulary, tool, context):
    lines = make_lines(10000)
    records = b"".join(struct.pack("<I", len(line)) + line for line in lines)
    output = subprocess.run([tool, vocabulary, str(context)], input=records, stdout=subprocess.PIPE,
                            check=True).stdout
    rows = numpy.frombuffer(output, numpy.int32).reshape(len(lines), context)
    wrong = cut = 0
    for line, row in zip(lines, rows):
        ids = oracle([line.decode("utf-8", "replace")], context)[0].numpy()
        cut += ids[-1] != 0
        if not numpy.array_equal(ids, row):
            wrong += 1
            if wrong < 10:
                print("differs: %r\n  %s\n  %s" % (line, ids[ids != 0].tolist(), row[row != 0].tolist()))
    print("%d texts (%d cut), %d differ" % (len(lines), cut, wrong))
    sys.exit(wrong > 0)


def main():
    task, vocabulary = sys.argv[1:3]
    oracle = make_oracle(vocabulary)
    if task == "golden":
        rows = [json.dumps({"text": text, "ids": oracle([text])[0].tolist()}) for text in GOLDEN]
        print("[\n" + ",\n".join(rows) + "\n]")
    elif task == "compare":
        compare(oracle, vocabulary, sys.argv[3], 77)
    else:
        names = {id: name for name, id in oracle.encoder.items() if not name.endswith("_of_text>")}
        with open(os.path.join(sys.argv[3], "vocab.json"), "w") as file:
            json.dump({names[id]: id for id in sorted(names)}, file)
        with open(os.path.join(sys.argv[3], "merges.txt"), "w") as file:
            file.write("#version: 0.2\n" + "".join("%s %s\n" % pair for pair in oracle.bpe_ranks))


if __name__ == "__main__":
    main()
