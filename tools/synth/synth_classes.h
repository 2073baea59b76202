/* The classes of the synthetic data set: how each is drawn. Private to tools/synth. */
#ifndef DHO_SYNTH_SYNTH_CLASSES_H
#define DHO_SYNTH_SYNTH_CLASSES_H

#include "synth/synth_draw.h"

typedef struct dho_synth_class {
    const char *name;
    void (*draw)(dho_synth_scene *s); /* in object coordinates, with s->rng and s->palette */
    float turn;   /* it is photographed turned by up to so many radians; pi: any way round */
    bool surface; /* a pattern on a surface, larger in the picture than an object */
    bool in_test_a;
    /* Hue, saturation, value as one expects them of MAIN, SECOND and the background. */
    float natural[3][3];
} dho_synth_class;

#define DHO_SYNTH_CLASSES 20
/* In byte order of the names. */
extern const dho_synth_class dho_synth_classes[DHO_SYNTH_CLASSES];

void dho_synth_draw_arrow(dho_synth_scene *s);
void dho_synth_draw_brick_wall(dho_synth_scene *s);
void dho_synth_draw_butterfly(dho_synth_scene *s);
void dho_synth_draw_checkerboard(dho_synth_scene *s);
void dho_synth_draw_crescent(dho_synth_scene *s);
void dho_synth_draw_cross(dho_synth_scene *s);
void dho_synth_draw_fish(dho_synth_scene *s);
void dho_synth_draw_flower(dho_synth_scene *s);
void dho_synth_draw_gear(dho_synth_scene *s);
void dho_synth_draw_heart(dho_synth_scene *s);
void dho_synth_draw_house(dho_synth_scene *s);
void dho_synth_draw_ladder(dho_synth_scene *s);
void dho_synth_draw_maze(dho_synth_scene *s);
void dho_synth_draw_mushroom(dho_synth_scene *s);
void dho_synth_draw_polka_dots(dho_synth_scene *s);
void dho_synth_draw_ring(dho_synth_scene *s);
void dho_synth_draw_spiral(dho_synth_scene *s);
void dho_synth_draw_star(dho_synth_scene *s);
void dho_synth_draw_tree(dho_synth_scene *s);
void dho_synth_draw_zebra_stripes(dho_synth_scene *s);

#endif
