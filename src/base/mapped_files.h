/* What happens when a mapped file can no longer be read. Private to src and tools. */
#ifndef DHO_BASE_MAPPED_FILES_H
#define DHO_BASE_MAPPED_FILES_H

/* From now on: a mapped file that is cut, or that its disk does not give, ends the process with exit
 * code 1 and a line of error that names it (else SIGBUS would end it without a word). who: "rank 1
 * (node7): ", or "". Of other SIGBUS whoever had it before learns. */
void dho_mapped_files_guard(const char *who);

#endif
