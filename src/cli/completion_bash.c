/* dho completion bash */
#include "cli/command.h"

#include <ctype.h>
#include <string.h>

/* The shell's part: $names, a command a line, and $keys come before it, and the options behind. */
static const char choose_command[] =
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local command=${COMP_WORDS[1]} words=\n"
    "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
    "        words=\"help version $(cut -d ' ' -f 1 <<<\"$names\" | uniq)\" command=\n"
    "    elif grep -q \"^$command \" <<<\"$names\"; then\n"
    "        [ \"$COMP_CWORD\" -gt 2 ] || words=$(sed -n \"s/^$command //p\" <<<\"$names\")\n"
    "        command=\"$command ${COMP_WORDS[2]}\"\n"
    "    fi\n";
static const char reply[] = "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
                            "}\n"
                            "complete -o default -F _dho dho\n";

/* Of "auto|never|PATH" the words that stand there as they are: PATH is the name of something. */
static void print_choices(const dho_command *command, const dho_option *option)
{
    int printed = 0;
    if (strchr(option->value, '|') == NULL) return;
    for (const char *at = option->value; at != NULL;) {
        const size_t length = strcspn(at, "|");
        if (!isupper((unsigned char)at[0])) {
            if (printed++ == 0) printf("    \"%s %s\") words=\"", command->name, option->name);
            printf("%.*s ", (int)length, at);
        }
        at = at[length] != '\0' ? at + length + 1 : NULL;
    }
    if (printed > 0) printf("\" ;;\n");
}

static dho_status bash(void *arguments, dho_comm *comm)
{
    (void)arguments;
    (void)comm;
    printf("_dho() {\n    local keys='");
    for (size_t i = 0; dho_config_key(i) != NULL; i++) printf("%s= ", dho_config_key(i));
    printf("' names='");
    for (size_t i = 0; i < dho_command_count; i++)
        printf("%s%s", i > 0 ? "\n" : "", dho_commands[i]->name);
    printf("'\n%s    [[ $word != -* ]] || case $command in\n", choose_command);
    for (size_t i = 0; i < dho_command_count; i++) {
        printf("    \"%s\") words=\"--help", dho_commands[i]->name);
        for (size_t k = 0; k < dho_commands[i]->option_count; k++) {
            const dho_option *option = &dho_commands[i]->options[k];
            if (!dho_option_is_word(option) && option->help != NULL) printf(" %s", option->name);
        }
        printf("\" ;;\n");
    }
    printf("    esac\n    case \"$command $before\" in\n"
           "    *\" --set\") words=$keys; compopt -o nospace ;;\n");
    for (size_t i = 0; i < dho_command_count; i++)
        for (size_t k = 0; k < dho_commands[i]->option_count; k++) {
            const dho_option *option = &dho_commands[i]->options[k];
            if (!dho_option_is_word(option) && option->value != NULL)
                print_choices(dho_commands[i], option);
        }
    printf("    esac\n%s", reply);
    return DHO_OK;
}

const dho_command dho_command_completion_bash = {
    .name = "completion bash",
    .line = "a script that completes commands, options and their words in bash",
    .help = "For ~/.bashrc: source <(dho completion bash)",
    .ranks = DHO_RANK_0,
    .run = bash,
};
