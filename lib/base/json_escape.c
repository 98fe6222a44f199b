#include "json_escape.h"

#include "utf8.h"

#include <stdio.h>

size_t json_escape(struct bytes rest, char out[static JSON_ESCAPED])
{
	size_t len = utf8_len(rest);
	struct bytes c = bytes_slice(rest, 0, len);
	if (!len)
		strcpy(out, "\\ufffd");
	else if (c.at[0] == '"' || c.at[0] == '\\')
		snprintf(out, JSON_ESCAPED, "\\%c", c.at[0]);
	else if (utf8_is_control(c)) // the second octet of a C1 character is its number
		snprintf(out, JSON_ESCAPED, "\\u%04x", c.at[len - 1]);
	else
		snprintf(out, JSON_ESCAPED, "%.*s", (int)len, (const char *)c.at);
	return len ? len : 1;
}
