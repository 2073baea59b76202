/* The console's lines in a file as well (dho/log.h has those who write them). Rank 0 only; on other
 * ranks all calls do nothing. Private to src. */
#ifndef DHO_BASE_LOG_FILE_H
#define DHO_BASE_LOG_FILE_H

/* From now on lines are also appended to this file: first the time, then what was said since the
 * program began or the last file was closed. A log is no reason to end a run: that it cannot be
 * written is said once an outage, and tried again at each line (line_file.h). */
void dho_log_file_open(const char *path);
void dho_log_file_close(void);

/* A line for the file alone: of what the console shows in another form. */
void dho_log_file_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line, its end included, for console and file. For signal handlers. */
void dho_log_from_handler(const char *line);

#endif
