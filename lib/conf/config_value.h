// One value of x2tap.yaml: from YAML into its field. Internal to lib/conf.
#ifndef X2TAP_CONFIG_VALUE_H
#define X2TAP_CONFIG_VALUE_H

#include "config_table.h"

struct reading {
	struct config *config;
	struct problems *problems;
	const char *
		directory; // of the configuration file, with a '/' at the end; "" for the working directory
};

// "ports[0].mtu": where in the file a value stands, for messages.
struct where {
	char text[192];
};
struct where where_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A problem, with `where` before it.
void complain(struct reading *r, struct yaml_mark at, const struct where *where, const char *format,
	...) __attribute__((format(printf, 4, 5)));

// A copy that lives as long as the configuration; NULL when there is no memory (reported).
const char *config_hold(struct reading *r, struct bytes text);

// Checks the value and stores it in the field of `base`; what is wrong with it goes to the problems. Not for
// OPTION_PAIR and OPTION_DEVICE, which look beyond their own value.
void option_set(struct reading *r, const struct option *o, void *base,
	const struct yaml_node *value, const struct where *where);

// A scalar as text within the option's octets, held; NULL when it is not (reported).
const char *text_take(struct reading *r, const struct option *o, const struct yaml_node *value,
	const struct where *where);

#endif
