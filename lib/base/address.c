#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>

bool address_parse(struct bytes text, struct address *out)
{
	char copy[ADDRESS_TEXT];
	if (text.len == 0 || text.len >= sizeof copy || memchr(text.at, 0, text.len))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	struct address a = {.family = 4};
	if (inet_pton(AF_INET, copy, a.octets) != 1) { // glibc refuses leading zeros
		a = (struct address){.family = 6};
		if (inet_pton(AF_INET6, copy, a.octets) != 1)
			return false;
	}
	*out = a;
	return true;
}

void address_format(const struct address *a, char text[static ADDRESS_TEXT])
{
	if (a->family == 0 ||
		!inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->octets, text, ADDRESS_TEXT))
		text[0] = '\0';
}

void address_format_x1(const struct address *a, char text[static ADDRESS_TEXT])
{
	if (a->family != 6) {
		address_format(a, text);
		return;
	}
	for (size_t i = 0; i < 8; i++)
		snprintf(text + 5 * i, ADDRESS_TEXT - 5 * i, "%02x%02x%s", a->octets[2 * i],
			a->octets[2 * i + 1], i < 7 ? ":" : "");
}
