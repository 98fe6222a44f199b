// What a person must read: filled in where the cause is known, carried up unchanged.
#ifndef X2TAP_ERROR_H
#define X2TAP_ERROR_H

enum { ERROR_TEXT = 512 }; // octets, the closing NUL included

struct error {
	int code; // a negative errno, or an X1 error code (TS 103 221-1 table 6.7-3) where the header says so
	char text[ERROR_TEXT];
};

// Writes code and text (cut if too long) and returns `code`, so that `return error_set(e, -EINVAL, ...)` reads well.
// `e` may be NULL.
int error_set(struct error *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
