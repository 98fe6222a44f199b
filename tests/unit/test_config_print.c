#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "config.h"

enum { TEXT_MAX = 128 * 1024 };

// The text of a file below the source tree. The caller frees.
static char *source_text(const char *name)
{
	const char *root = getenv("X2TAP_SOURCE");
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", root ? root : ".", name);
	FILE *file = fopen(path, "r");
	if (!file)
		fail_msg("%s cannot be read (is X2TAP_SOURCE set?)", path);
	char *text = calloc(1, TEXT_MAX);
	assert_non_null(text);
	size_t len = fread(text, 1, TEXT_MAX - 1, file);
	assert_in_range(len, 1, TEXT_MAX - 2);
	fclose(file);
	return text;
}

// What a printer writes. The caller frees.
static char *printed(void (*print)(struct writer *to))
{
	char *text = calloc(1, TEXT_MAX);
	assert_non_null(text);
	struct writer w = writer_of(text, TEXT_MAX - 1);
	print(&w);
	assert_false(w.overflow);
	return text;
}

static void the_installed_sample_is_the_printed_one(void **state)
{
	(void)state;
	char *file = source_text("config/x2tap.example.yaml"), *text = printed(config_print_sample);
	if (strcmp(file, text) != 0)
		fail_msg("x2tap --print-sample > config/x2tap.example.yaml makes them equal");
	free(file);
	free(text);
}

static void the_manual_page_holds_the_printed_options(void **state)
{
	(void)state;
	char *file = source_text("config/man/x2tap.yaml.5"), *text = printed(config_print_manual);
	if (!strstr(file, text))
		fail_msg("config/man/x2tap.yaml.5 lacks what x2tap --print-manual prints");
	free(file);
	free(text);
}

static struct config *load_text(const char *text)
{
	char path[] = "/tmp/x2tap-sample-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	struct problems p;
	problems_init(&p, "sample");
	struct config *c = config_load(path, &p);
	unlink(path);
	if (!c)
		fail_msg("%s", p.text);
	problems_fini(&p);
	return c;
}

static void the_sample_is_a_good_configuration(void **state)
{
	(void)state;
	char *text = printed(config_print_sample);
	struct config *c = load_text(text);
	assert_string_equal(c->nfid, "probe-01.example.net");
	assert_int_equal(c->port_count, 1);
	assert_int_equal(c->destination_count, 1);
	config_free(c);
	free(text);
}

// Takes the '#' away where a key or entry follows it.
static void switch_all_on(char *text)
{
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		char *hash = line + strspn(line, " ");
		if (hash[0] == '#' && hash[1] != ' ')
			memmove(hash, hash + 1, strlen(hash));
	}
}

static void every_option_of_the_sample_can_be_switched_on_and_shows_its_default(void **state)
{
	(void)state;
	char *text = printed(config_print_sample);
	struct config *off = load_text(text);
	switch_all_on(text);
	// The one option that needs another than the default beside it.
	char *connection = strstr(text, "connection: permanent");
	assert_non_null(connection);
	memcpy(connection, "connection: on_demand", strlen("connection: on_demand"));
	struct config *on = load_text(text);
	assert_int_equal(on->port_count, 2);
	assert_string_equal(on->did, "domain-1");
	assert_memory_equal(&on->targets.capacity, &off->targets.capacity, sizeof(uint32_t));
	assert_int_equal(on->targets.allow_wide, off->targets.allow_wide);
	assert_int_equal(on->ports[0].rx_descriptors, off->ports[0].rx_descriptors);
	assert_int_equal(on->ports[0].promiscuous, off->ports[0].promiscuous);
	assert_int_equal(on->destinations[0].max_pdu, off->destinations[0].max_pdu);
	assert_int_equal(on->destinations[0].redeliver, off->destinations[0].redeliver);
	assert_memory_equal(&on->sip.ports, &off->sip.ports, sizeof on->sip.ports);
	assert_int_equal(on->sip.session_idle_ms, off->sip.session_idle_ms);
	assert_string_equal(
		on->numbering.international_prefix, off->numbering.international_prefix);
	assert_string_equal(on->control.socket, off->control.socket);
	assert_int_equal(on->stall_timeout_ms, off->stall_timeout_ms);
	assert_memory_equal(&on->radius, &off->radius, sizeof on->radius);
	assert_memory_equal(&on->dhcp, &off->dhcp, sizeof on->dhcp);
	assert_memory_equal(&on->gtp, &off->gtp, sizeof on->gtp);
	assert_memory_equal(&on->signalling, &off->signalling, sizeof on->signalling);
	assert_int_equal(on->bindings.max_sessions, off->bindings.max_sessions);
	assert_int_equal(on->bindings.idle_ms, off->bindings.idle_ms);
	assert_int_equal(off->bindings.source_count, 0);
	assert_int_equal(on->bindings.source_count, 1);
	assert_int_equal(on->bindings.sources[0].place.point, 0);
	assert_int_equal(on->bindings.sources[0].instance_number, 1);
	assert_int_equal(on->bindings.instance_count, 1);
	assert_memory_equal(&on->sets, &off->sets, sizeof on->sets);
	assert_int_equal(on->spool.max_age_ms, off->spool.max_age_ms);
	assert_int_equal(on->spool.segment_kib, off->spool.segment_kib);
	assert_int_equal(on->audit.max_mib, off->audit.max_mib);
	assert_int_equal(on->destinations[0].tcp_keepalive_s, off->destinations[0].tcp_keepalive_s);
	assert_true(on->destinations[0].has_pin);
	assert_string_equal(on->li.interface, "li0");
	config_free(off);
	config_free(on);
	free(text);
}

static void what_does_not_fit_is_an_overflow(void **state)
{
	(void)state;
	uint8_t small[100];
	struct writer w = writer_of(small, sizeof small);
	config_print_sample(&w);
	assert_true(w.overflow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_installed_sample_is_the_printed_one),
		cmocka_unit_test(the_manual_page_holds_the_printed_options),
		cmocka_unit_test(the_sample_is_a_good_configuration),
		cmocka_unit_test(
			every_option_of_the_sample_can_be_switched_on_and_shows_its_default),
		cmocka_unit_test(what_does_not_fit_is_an_overflow),
	};
	return cmocka_run_group_tests_name("config_print", tests, NULL, NULL);
}
