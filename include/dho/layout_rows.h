/* How a data set lies on disk: DHO_LAYOUT(ID, word of data.format, columns of dho_dataset_layout).
 * Everything that knows of layouts is made from these rows: dho_format, the words and checks of
 * data.format and eval.sets[].format, and the function dho_layout_open_WORD of src/data that lists
 * the images (data/layout.h). docs/extending.md shows how to add one. No include guard: it is read
 * several times. */
DHO_LAYOUT(IMAGEFOLDER, imagefolder, .what = "class folders")
DHO_LAYOUT(COOP, coop, .what = "split file", .takes_split = true)
DHO_LAYOUT(SHARDS, shards, .what = "tar shards")
