// Any octets as a frame: views stay inside of it, and the class says what `out` holds.
#include "fuzz.h"
#include "packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes frame = bytes_of(data, size);
	struct packet packet = {0};
	enum packet_class class = packet_parse(frame, &packet);
	FUZZ_CHECK(class < PACKET_CLASSES);
	FUZZ_CHECK(packet_class_name(class) && packet_class_help(class));
	if (class != PACKET_UDP)
		return 0;

	const struct flow *flow = &packet.flow;
	FUZZ_CHECK(fuzz_lies_in(packet.payload, frame));
	FUZZ_CHECK(flow->protocol == 17);
	FUZZ_CHECK(flow->source.family == 4 || flow->source.family == 6);
	FUZZ_CHECK(flow->source.family == flow->destination.family);
	return 0;
}
