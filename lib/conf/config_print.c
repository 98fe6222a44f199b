#include "config_table.h"

enum { LINE = 100 }; // columns of the sample

// Words of `text` as comment lines of at most LINE columns.
static void write_comment(struct writer *to, unsigned indent, const char *text)
{
	while (*text) {
		size_t room = LINE - indent - 2, len = strlen(text);
		if (len > room) {
			len = room;
			while (len > 0 && text[len] != ' ')
				len--;
		}
		write_format(to, "%*s# ", (int)indent, "");
		write_bytes(to, bytes_of(text, len));
		write_text(to, "\n");
		text += len;
		while (*text == ' ')
			text++;
	}
}

static void write_facts(struct writer *to, const struct option *o)
{
	option_describe(o, to);
	if (o->required)
		write_text(to, "; required");
	else if (o->fallback)
		write_format(to, "; default %s", o->fallback);
}

// An option with its comment. `lead` stands before the key: "- " for the first of an entry. `off`: commented out.
static void write_option(
	struct writer *to, const struct option *o, unsigned indent, const char *lead, bool off)
{
	char facts[512];
	struct writer w = writer_of(facts, sizeof facts - 1);
	write_text(&w, "-> ");
	write_facts(&w, o);
	facts[w.len] = '\0';
	write_comment(to, indent, o->help);
	write_comment(to, indent, facts);
	write_format(to, "%*s%s%s%s: %s\n", (int)(indent - strlen(lead)), "", off ? "#" : "", lead,
		o->name, o->fallback ? o->fallback : o->sample);
}

// Sections that the sample shows are on, with what is required in them; all else is there to be switched on.
static void write_options(struct writer *to, enum section_name section, unsigned indent)
{
	size_t count;
	const struct option *o = options_of(section, &count);
	for (size_t i = 0; i < count; i++) {
		bool on = section_at(section)->shown && (o[i].required || o[i].type == OPTION_PAIR);
		bool alternative = o[i].type == OPTION_DEVICE;
		const char *lead = i == 0 && section_at(section)->shape == SHAPE_LIST ? "- " : "";
		if (alternative) // the other kind of entry: told, not shown
			continue;
		write_option(to, &o[i], indent, lead, !on);
	}
}

// A section at `indent`, with the sections within it.
static void write_section(struct writer *to, enum section_name name, unsigned indent)
{
	const struct section *s = section_at(name);
	write_comment(to, indent, s->help);
	write_format(to, "%*s%s%s:\n", (int)indent, "", s->shown ? "" : "#", s->name);
	if (s->shape == SHAPE_BY_DID)
		write_format(to, "%*s%s\n", (int)indent + 2, "", s->entry);
	bool has_entries = s->shape == SHAPE_BY_DID || s->shape == SHAPE_LIST;
	write_options(to, name, indent + (has_entries ? 4 : 2));
	for (enum section_name within = name + 1; within < SECTIONS; within++)
		if (section_at(within)->parent == name)
			write_section(to, within, indent + 2);
	if (name != SECTION_PORTS)
		return;
	write_comment(to, 2, "A mirror port:");
	write_text(to, "  #- {mirror: net_pcap2, ipid: mirror-1}\n");
}

void config_print_sample(struct writer *to)
{
	write_comment(to, 0, "x2tap.yaml: what x2tap is told by its operator. See x2tap.yaml(5).");
	write_comment(to, 0,
		"An option with a '#' right before its key is off; what it shows is its default, or an "
		"example where it has none. Durations are written 50ms, 10s, 5m or 12h (a plain number: "
		"seconds). Relative paths start at the directory of this file. x2tap --check --config FILE "
		"tells all that is wrong in a file.");
	write_text(to, "\n");
	write_options(to, SECTION_TOP, 0);
	for (enum section_name s = SECTION_TARGETS; s < SECTIONS; s++) {
		if (section_at(s)->parent != SECTION_TOP)
			continue;
		write_text(to, "\n");
		write_section(to, s, 0);
	}
}

// --- mdoc ----------------------------------------------------------------------------------------------------

// Lines of at most 78 columns that end where sentences end. No word of the table starts with a control character.
static void write_prose(struct writer *to, const char *text)
{
	size_t column = 0;
	while (*text) {
		size_t len = strcspn(text, " ");
		if (column)
			write_text(to, column + 1 + len > 78 ? "\n" : " ");
		column = column && column + 1 + len <= 78 ? column + 1 + len : len;
		write_bytes(to, bytes_of(text, len));
		if (text[len - 1] == '.') {
			write_text(to, "\n");
			column = 0;
		}
		text += len + (text[len] == ' ');
	}
	if (column)
		write_text(to, "\n");
}

static void write_manual_options(struct writer *to, enum section_name section)
{
	size_t count;
	const struct option *o = options_of(section, &count);
	write_text(to, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < count; i++) {
		char facts[512];
		struct writer w = writer_of(facts, sizeof facts - 1);
		write_text(&w, "(");
		write_facts(&w, &o[i]);
		write_text(&w, ")");
		facts[w.len] = '\0';
		write_format(to, ".It Cm %s\n", o[i].name);
		write_prose(to, facts);
		write_text(to, ".br\n");
		write_prose(to, o[i].help);
	}
	write_text(to, ".El\n");
}

void config_print_manual(struct writer *to)
{
	for (enum section_name s = SECTION_TOP; s < SECTIONS; s++) {
		const struct section *section = section_at(s);
		write_text(to, ".Ss ");
		if (section->name)
			section_path_write(s, to);
		else
			write_text(to, "Top level");
		write_text(to, "\n");
		write_prose(to, section->help);
		if (section->entry && section->shape == SHAPE_BY_DID)
			write_text(to, "Each entry is a DID (a UUID) and its options:\n");
		write_manual_options(to, s);
	}
}
