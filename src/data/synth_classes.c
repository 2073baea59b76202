/* The table of classes. */
#include "data/synth_classes.h"

#define PI 3.14159265f
#define ANY_COLOUR   \
    {                \
        {0, -1, 0},  \
        {            \
            0, -1, 0 \
        }            \
    }

const dho_synth_class dho_synth_classes[DHO_SYNTH_CLASSES] = {
    {"arrow", dho_synth_draw_arrow, PI, false, true, ANY_COLOUR},
    {"brick_wall",
     dho_synth_draw_brick_wall,
     0.25f,
     true,
     false,
     {{0.03f, 0.55f, 0.6f}, {0.1f, 0.1f, 0.75f}}},
    {"butterfly", dho_synth_draw_butterfly, 0.9f, false, true, {{0.08f, 0.8f, 0.9f}, {0, -1, 0}}},
    {"checkerboard",
     dho_synth_draw_checkerboard,
     0.8f,
     true,
     false,
     {{0, 0.05f, 0.1f}, {0, 0.02f, 0.95f}}},
    {"crescent",
     dho_synth_draw_crescent,
     0.7f,
     false,
     false,
     {{0.14f, 0.4f, 0.95f}, {0.14f, 0.5f, 0.8f}}},
    {"cross", dho_synth_draw_cross, 0.35f, false, false, ANY_COLOUR},
    {"fish", dho_synth_draw_fish, 0.5f, false, true, {{0.07f, 0.8f, 0.9f}, {0, -1, 0}}},
    {"flower",
     dho_synth_draw_flower,
     0.5f,
     false,
     true,
     {{0.92f, 0.6f, 0.9f}, {0.33f, 0.6f, 0.45f}}},
    {"gear", dho_synth_draw_gear, PI, false, true, {{0.6f, 0.1f, 0.6f}, {0.6f, 0.1f, 0.4f}}},
    {"heart", dho_synth_draw_heart, 0.5f, false, true, {{0.98f, 0.8f, 0.8f}, {0, -1, 0}}},
    {"house", dho_synth_draw_house, 0.15f, false, true, {{0.1f, 0.3f, 0.85f}, {0.02f, 0.6f, 0.6f}}},
    {"ladder",
     dho_synth_draw_ladder,
     0.5f,
     false,
     false,
     {{0.09f, 0.5f, 0.6f}, {0.09f, 0.5f, 0.5f}}},
    {"maze", dho_synth_draw_maze, 0.8f, true, false, ANY_COLOUR},
    {"mushroom",
     dho_synth_draw_mushroom,
     0.3f,
     false,
     false,
     {{0.01f, 0.8f, 0.75f}, {0.11f, 0.2f, 0.9f}}},
    {"polka_dots", dho_synth_draw_polka_dots, PI, true, false, ANY_COLOUR},
    {"ring", dho_synth_draw_ring, PI, false, false, {{0.13f, 0.6f, 0.85f}, {0, -1, 0}}},
    {"spiral", dho_synth_draw_spiral, PI, false, false, ANY_COLOUR},
    {"star", dho_synth_draw_star, PI, false, true, {{0.14f, 0.8f, 0.95f}, {0, -1, 0}}},
    {"tree", dho_synth_draw_tree, 0.15f, false, false, {{0.32f, 0.6f, 0.5f}, {0.07f, 0.5f, 0.4f}}},
    {"zebra_stripes",
     dho_synth_draw_zebra_stripes,
     PI,
     true,
     false,
     {{0, 0.05f, 0.1f}, {0.1f, 0.05f, 0.95f}}},
};
