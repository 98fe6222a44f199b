#include <inttypes.h>
#include <time.h>

#include "mf_output.h"
#include "mf_text.h"

// Text that is not UTF-8 is told as a problem; its octets above 127 then stand for themselves as U+0080 to U+00FF.
static void put_string(FILE *file, struct bytes text)
{
	bool is_utf8 = mf_text_is_utf8(text);
	fputc('"', file);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];
		if (c == '"' || c == '\\')
			fprintf(file, "\\%c", c);
		else if (c < 0x20 || c == 0x7f || (c > 0x7f && !is_utf8))
			fprintf(file, "\\u%04x", c);
		else
			fputc(c, file);
	}
	fputc('"', file);
}

static void put_key(FILE *file, const char *key)
{
	fprintf(file, ",\"%s\":", key);
}

static void put_text(FILE *file, const char *key, struct bytes text)
{
	put_key(file, key);
	if (text.len == 0)
		fputs("null", file);
	else
		put_string(file, text);
}

static void put_number(FILE *file, const char *key, bool is_there, uint64_t number)
{
	put_key(file, key);
	if (is_there)
		fprintf(file, "%" PRIu64, number);
	else
		fputs("null", file);
}

static void put_address(FILE *file, const char *key, const struct address *a)
{
	char text[ADDRESS_TEXT] = "";
	if (a->family)
		address_format(a, text);
	put_text(file, key, bytes_of_text(text));
}

static void put_time(FILE *file, const struct mf_pdu *pdu)
{
	time_t seconds = (time_t)(pdu->time_ns / 1000000000);
	struct tm utc;
	char day[32] = "";
	put_key(file, "time");
	if (pdu->has_time && gmtime_r(&seconds, &utc) &&
		strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc))
		fprintf(file, "\"%s.%09" PRIu64 "Z\"", day, pdu->time_ns % 1000000000);
	else
		fputs("null", file);
}

static void put_identifiers(FILE *file, const char *key, const struct mf_pdu *pdu, uint16_t type)
{
	struct bytes value;
	put_key(file, key);
	fputc('[', file);
	for (size_t at = 0, count = 0; mf_pdu_next(pdu, type, &at, &value); count++) {
		if (count > 0)
			fputc(',', file);
		put_string(file, value);
	}
	fputc(']', file);
}

static void put_base64(FILE *file, const char *key, struct bytes data)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	put_key(file, key);
	fputc('"', file);
	for (size_t i = 0; i < data.len; i += 3) {
		size_t left = data.len - i;
		uint32_t three = (uint32_t)data.at[i] << 16;
		if (left > 1)
			three |= (uint32_t)data.at[i + 1] << 8;
		if (left > 2)
			three |= data.at[i + 2];
		fputc(digits[three >> 18], file);
		fputc(digits[three >> 12 & 63], file);
		fputc(left > 1 ? digits[three >> 6 & 63] : '=', file);
		fputc(left > 2 ? digits[three & 63] : '=', file);
	}
	fputc('"', file);
}

static void put_problems(FILE *file, const struct mf_problems *problems)
{
	if (problems->count == 0)
		return;
	put_key(file, "problem");
	fputc('[', file);
	for (size_t i = 0; i < problems->count && i < MF_PROBLEMS_MAX; i++) {
		if (i > 0)
			fputc(',', file);
		put_string(file, bytes_of_text(problems->text[i]));
	}
	fputc(']', file);
}

void mf_json_write(
	FILE *file, const struct mf_pdu *pdu, const struct mf_verdict *verdict, const char *peer)
{
	char xid[UUID_TEXT];
	uuid_format(&pdu->xid, xid);
	fprintf(file, "{\"version\":\"%u.%u\"", pdu->version >> 8, pdu->version & 255);
	put_number(file, "type", true, pdu->type);
	put_text(file, "xid", bytes_of_text(xid));
	put_number(file, "seq", pdu->has_sequence, pdu->sequence);
	put_number(file, "correlation", true, pdu->correlation);
	put_number(file, "format", true, pdu->format);
	put_number(file, "direction", true, pdu->direction);
	put_time(file, pdu);
	put_text(file, "nfid", pdu->nfid);
	put_text(file, "ipid", pdu->ipid);
	put_text(file, "did", pdu->did);
	put_address(file, "src", &pdu->source);
	put_address(file, "dst", &pdu->destination);
	put_number(file, "sport", pdu->has_source_port, pdu->source_port);
	put_number(file, "dport", pdu->has_destination_port, pdu->destination_port);
	put_number(file, "proto", pdu->has_protocol, pdu->protocol);
	put_identifiers(file, "matched", pdu, MF_MATCHED_IDENTIFIER);
	put_identifiers(file, "other", pdu, MF_OTHER_IDENTIFIER);
	put_base64(file, "payload", pdu->payload);
	put_text(file, "order", bytes_of_text(mf_order_name(verdict->order)));
	if (verdict->order == MF_ORDER_GAP) {
		put_number(file, "expected", true, verdict->expected);
		put_number(file, "missing", true, verdict->missing);
	}
	put_problems(file, &pdu->problems);
	if (peer)
		put_text(file, "peer", bytes_of_text(peer));
	fputs("}\n", file);
}
