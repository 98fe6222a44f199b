// The options of x2tap.yaml as one table, and their values as text. Internal to lib/conf.
#ifndef X2TAP_CONFIG_TABLE_H
#define X2TAP_CONFIG_TABLE_H

#include "config.h"

enum option_type {
	OPTION_TEXT,      // printable UTF-8; least and greatest are octets
	OPTION_DIGITS,    // decimal digits; least and greatest are their number
	OPTION_PATH,      // relative to the configuration file
	OPTION_KEY,       // the path of a key, or "credential:NAME", which is kept as it is
	OPTION_ADDRESS,   // an IP address as text; least is the family, 0 for any
	OPTION_INTERFACE, // the name of a network interface
	OPTION_RANGE, // source_port_first and source_port_last of a destination; least and greatest hold for both
	OPTION_PIN,      // pin and has_pin of a destination
	OPTION_NUMBER,   // uint16_t or uint32_t
	OPTION_DURATION, // uint32_t of milliseconds; least and greatest too
	OPTION_SECONDS, // a duration as uint32_t of whole seconds; least and greatest are milliseconds
	OPTION_BOOL,    // bool
	OPTION_CHOICE,   // the value of one of `choices`: bool or uint16_t
	OPTION_WORD,     // one of `choices`, kept as text
	OPTION_LIST,     // struct config_list of words in lower case
	OPTION_WORDS,    // a list of `choices`: the OR of their values, as uint16_t
	OPTION_PORTS,    // struct config_ports
	OPTION_PREFIXES, // struct config_prefixes
	OPTION_PLACE, // the name of an entry of ports: struct config_place, see place_resolve() in config.c
	OPTION_DEVICE, // the one device of a mirror
	OPTION_PAIR,   // the two devices of a pair
};

enum section_name {
	SECTION_TOP,
	SECTION_TARGETS,
	SECTION_PORT_DEFAULTS,
	SECTION_PORTS,
	SECTION_TLS,
	SECTION_DESTINATIONS,
	SECTION_LI,
	SECTION_SETS,
	SECTION_SPOOL,
	SECTION_AUDIT,
	SECTION_REASSEMBLY,
	SECTION_SIP,
	SECTION_RADIUS,
	SECTION_DHCP,
	SECTION_GTP,
	SECTION_SIGNALLING,
	SECTION_BINDINGS,
	SECTION_BINDING_SOURCES,
	SECTION_BINDING_INSTANCES,
	SECTION_NUMBERING,
	SECTION_CONTROL,
	SECTIONS
};

enum section_shape {
	SHAPE_MAP,
	SHAPE_PATH_OR_MAP, // a scalar stands for the map's first option
	SHAPE_LIST,        // a list of maps
	SHAPE_BY_DID,      // a map of maps
};

struct section {
	const char *name;         // its key in the file; NULL: the file itself
	enum section_name parent; // the section in which it stands, before it in the table
	enum section_shape shape;
	bool required;
	bool shown; // the sample shows it switched on
	const char *
		entry; // what stands before the options of an entry in manual and sample, NULL if not a list or by DID
	const char *help;
};

struct choice {
	const char *word; // NULL ends a list
	uint32_t value;
};

struct option {
	enum section_name section;
	const char *name;
	enum option_type type;
	bool required;
	const char *unit;         // what a number counts, or NULL
	uint64_t least, greatest; // see option_type
	const char *zero;         // what 0 means where it is allowed beside the range, or NULL
	const char *fallback;     // the default as YAML; NULL: none
	const char *sample;       // what the sample shows where there is no default
	const struct choice *choices;
	const char *help;
	size_t offset, size; // of the field in struct config, or in that of an entry
};

const struct section *section_at(enum section_name name);
// The options of a section stand together, in the order of manual and sample.
const struct option *options_of(enum section_name section, size_t *count);

// The option that an entry of `section` may hold: in `ports` also those of `port_defaults`.
const struct option *option_find(enum section_name section, const char *name);

// The closest known key or section of `section` ("did you mean"), or NULL when none is near.
const char *key_nearest(enum section_name section, const char *name);
// The section with this key in `parent`, or SECTION_TOP when there is none.
enum section_name section_find(enum section_name parent, const char *name);
// "bindings.sources": where a section stands.
void section_path_write(enum section_name section, struct writer *to);

// "number of octets, 1024 to 16384"; "yes or no". Without default.
void option_describe(const struct option *o, struct writer *to);
// "90s", "12h": the shortest form of a duration.
void duration_write(uint64_t ms, struct writer *to);

#endif
