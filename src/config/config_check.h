/* What the checks across keys share. Private to src/config. */
#ifndef DHO_CONFIG_CONFIG_CHECK_H
#define DHO_CONFIG_CONFIG_CHECK_H

#include "config/config_value.h"

typedef struct dho_config_checker {
    const dho_config *config;
    const dho_yaml_node *root;
    const dho_yaml_source *file;
} dho_config_checker;

/* DHO_ERR_CONFIG "where: key: ...": where `key` stands, else where `other` does (may be NULL), else
 * the file. */
__attribute__((format(printf, 4, 5))) dho_status dho_check_fail(const dho_config_checker *c,
                                                                const char *key, const char *other,
                                                                const char *format, ...);
bool dho_check_is_given(const dho_config_checker *c, const char *key);

/* Methods, the weights of their losses, and what needs which loss. */
dho_status dho_check_losses(const dho_config_checker *c);
/* Frozen parts, groups of parameters, regularisation and augmentation. */
dho_status dho_check_pretrained(const dho_config_checker *c);

#endif
