#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.at[i]) != ascii_lower(b.at[i]))
			return false;
	return true;
}

bool bytes_start_with(struct bytes whole, struct bytes prefix)
{
	return whole.len >= prefix.len && bytes_equal(bytes_slice(whole, 0, prefix.len), prefix);
}

void write_format(struct writer *w, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	int len = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (len < 0 || (size_t)len >= sizeof text)
		w->overflow = true;
	else
		write_bytes(w, bytes_of(text, (size_t)len));
}
