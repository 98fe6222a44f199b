#include "li_network.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ANSWER_OCTETS = 65536, // one datagram of the kernel
	LINKS_GREATEST = 65536,
};

// --- rtnetlink -----------------------------------------------------------------------------------------------------------

struct request {
	struct nlmsghdr header;
	union {
		struct rtmsg route;
		struct ifinfomsg link;
	} body;
	uint8_t attributes[128];
};

static void request_add(struct request *r, unsigned short type, const void *value, size_t len)
{
	struct rtattr attribute = {(unsigned short)RTA_LENGTH(len), type};
	uint8_t *at = (uint8_t *)r + NLMSG_ALIGN(r->header.nlmsg_len);
	memcpy(at, &attribute, sizeof attribute);
	memcpy(at + RTA_LENGTH(0), value, len);
	r->header.nlmsg_len =
		(uint32_t)(NLMSG_ALIGN(r->header.nlmsg_len) + RTA_ALIGN(RTA_LENGTH(len)));
}

// The kernel answers within send(), so nothing here waits.
static int netlink_ask(const struct request *r)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	if (send(fd, r, r->header.nlmsg_len, 0) < 0) {
		int result = -errno;
		close(fd);
		return result;
	}
	return fd;
}

// As NLMSG_DATA(), which forgets what is const.
static const void *message_body(const struct nlmsghdr *message)
{
	return (const uint8_t *)message + NLMSG_HDRLEN;
}

// The attribute's octets, NULL when it is not there or shorter than `least`.
static const void *attribute_of(
	const struct nlmsghdr *message, size_t body, unsigned short type, size_t least)
{
	if (message->nlmsg_len < NLMSG_LENGTH(body))
		return NULL;
	const uint8_t *at = (const uint8_t *)message + NLMSG_SPACE(body);
	size_t left = message->nlmsg_len - NLMSG_LENGTH(body);
	while (left >= sizeof(struct rtattr)) {
		struct rtattr attribute;
		memcpy(&attribute, at, sizeof attribute);
		if (attribute.rta_len < sizeof attribute || attribute.rta_len > left)
			break;
		if ((attribute.rta_type & NLA_TYPE_MASK) == type)
			return attribute.rta_len >= RTA_LENGTH(least) ? at + RTA_LENGTH(0) : NULL;
		size_t step = RTA_ALIGN(attribute.rta_len);
		if (step > left)
			break;
		at += step;
		left -= step;
	}
	return NULL;
}

static unsigned attribute_u32(const struct nlmsghdr *message, size_t body, unsigned short type)
{
	const void *at = attribute_of(message, body, type, sizeof(uint32_t));
	uint32_t value = 0;
	if (at)
		memcpy(&value, at, sizeof value);
	return value;
}

// Calls `take` with each message of the answer until the end. Returns 0 or a negative errno.
static int netlink_read(int fd, bool is_list,
	void (*take)(const struct nlmsghdr *message, void *context), void *context)
{
	uint8_t *buffer = malloc(ANSWER_OCTETS);
	int result = buffer ? 0 : -ENOMEM;
	bool ended = false;
	while (result == 0 && !ended) {
		ssize_t len = recv(fd, buffer, ANSWER_OCTETS, 0);
		if (len <= 0) {
			result = len < 0 ? -errno : -EPROTO;
			break;
		}
		size_t left = (size_t)len;
		const struct nlmsghdr *message = (const void *)buffer;
		for (; NLMSG_OK(message, left) && !ended && result == 0;
			message = (const void *)((const uint8_t *)message +
						 NLMSG_ALIGN(message->nlmsg_len))) {
			if (message->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *refused = message_body(message);
				result = refused->error ? refused->error : -EPROTO;
			} else if (message->nlmsg_type == NLMSG_DONE) {
				ended = true;
			} else {
				take(message, context);
				ended = !is_list;
			}
			if (NLMSG_ALIGN(message->nlmsg_len) > left)
				break;
			left -= NLMSG_ALIGN(message->nlmsg_len);
		}
	}
	free(buffer);
	return result;
}

// --- the route --------------------------------------------------------------------------------------------------------------

struct local_end {
	struct address address; // family 0: not bound
	uint16_t port;
	unsigned device; // 0: none
	uint32_t mark;
};

static int find_local_end(const struct li_connection *c, struct local_end *out)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} own = {0};
	socklen_t len = sizeof own;
	static const struct address unset;
	*out = (struct local_end){0};
	if (getsockname(c->fd, &own.any, &len) == 0 && own.any.sa_family == AF_INET) {
		memcpy(out->address.octets, &own.v4.sin_addr, 4);
		out->port = ntohs(own.v4.sin_port);
		out->address.family = 4;
	} else if (own.any.sa_family == AF_INET6) {
		memcpy(out->address.octets, &own.v6.sin6_addr, 16);
		out->port = ntohs(own.v6.sin6_port);
		out->address.family = 6;
	}
	if (memcmp(out->address.octets, unset.octets, sizeof unset.octets) == 0)
		out->address = c->source ? *c->source : unset;
	if (out->address.family && out->address.family != c->destination.family)
		return -EAFNOSUPPORT;

	char name[IFNAMSIZ] = "";
	len = sizeof name;
	if (getsockopt(c->fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) != 0 || !name[0])
		strncpy(name, c->interface ? c->interface : "", sizeof name - 1);
	if (name[0] && (out->device = if_nametoindex(name)) == 0)
		return -ENODEV;
	len = sizeof out->mark;
	if (getsockopt(c->fd, SOL_SOCKET, SO_MARK, &out->mark, &len) != 0)
		out->mark = 0;
	return 0;
}

static void take_route(const struct nlmsghdr *message, void *context)
{
	unsigned *oif = context;
	if (message->nlmsg_type == RTM_NEWROUTE)
		*oif = attribute_u32(message, sizeof(struct rtmsg), RTA_OIF);
}

// With all that rules may ask for, so that the answer is the one that connect() will get.
static int find_way_out(const struct li_connection *c, const struct local_end *own, unsigned *oif)
{
	bool is_v4 = c->destination.family == 4;
	unsigned char bits = is_v4 ? 32 : 128, protocol = IPPROTO_TCP;
	uint16_t to = htons(c->port), from = htons(own->port);
	uint32_t user = geteuid();
	struct request r = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
			.nlmsg_type = RTM_GETROUTE,
			.nlmsg_flags = NLM_F_REQUEST},
		.body.route = {.rtm_family = is_v4 ? AF_INET : AF_INET6, .rtm_dst_len = bits},
	};
	request_add(&r, RTA_DST, c->destination.octets, bits / 8);
	if (own->address.family) {
		r.body.route.rtm_src_len = bits;
		request_add(&r, RTA_SRC, own->address.octets, bits / 8);
	}
	if (own->device)
		request_add(&r, RTA_OIF, &own->device, sizeof own->device);
	if (own->mark)
		request_add(&r, RTA_MARK, &own->mark, sizeof own->mark);
	request_add(&r, RTA_UID, &user, sizeof user);
	request_add(&r, RTA_IP_PROTO, &protocol, sizeof protocol);
	request_add(&r, RTA_DPORT, &to, sizeof to);
	if (own->port)
		request_add(&r, RTA_SPORT, &from, sizeof from);
	int fd = netlink_ask(&r);
	if (fd < 0)
		return fd;
	*oif = 0;
	int result = netlink_read(fd, false, take_route, oif);
	close(fd);
	return result != 0 ? result : *oif == 0 ? -ENETUNREACH : 0;
}

// --- what stands on what ------------------------------------------------------------------------------------------------------

struct link_entry {
	unsigned index, below, master; // 0: none
	bool is_traffic;
};

struct links {
	struct link_entry *at;
	size_t count, cap;
	bool failed;
};

static bool is_veth(const struct nlmsghdr *message)
{
	// Nested: the kind is the first attribute of IFLA_LINKINFO.
	const uint8_t *info =
		attribute_of(message, sizeof(struct ifinfomsg), IFLA_LINKINFO, RTA_LENGTH(5));
	struct rtattr kind;
	if (!info)
		return false;
	memcpy(&kind, info, sizeof kind);
	return kind.rta_type == IFLA_INFO_KIND && kind.rta_len >= RTA_LENGTH(5) &&
	       memcmp(info + RTA_LENGTH(0), "veth", 5) == 0;
}

static void take_link(const struct nlmsghdr *message, void *context)
{
	struct links *links = context;
	if (message->nlmsg_type != RTM_NEWLINK ||
		message->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
		return;
	if (links->count == links->cap) {
		size_t cap = links->cap ? links->cap * 2 : 64;
		struct link_entry *more =
			cap <= LINKS_GREATEST ? realloc(links->at, cap * sizeof *more) : NULL;
		if (!more) {
			links->failed = true;
			return;
		}
		links->at = more;
		links->cap = cap;
	}
	const struct ifinfomsg *link = message_body(message);
	struct link_entry entry = {.index = (unsigned)link->ifi_index};
	entry.master = attribute_u32(message, sizeof *link, IFLA_MASTER);
	// The other end of a veth is not below it, and with a netns id the number is one of another namespace.
	if (!is_veth(message) && !attribute_of(message, sizeof *link, IFLA_LINK_NETNSID, 4))
		entry.below = attribute_u32(message, sizeof *link, IFLA_LINK);
	links->at[links->count++] = entry;
}

static int list_links(struct links *out)
{
	struct request r = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	};
	int fd = netlink_ask(&r);
	if (fd < 0)
		return fd;
	int result = netlink_read(fd, true, take_link, out);
	close(fd);
	return result == 0 && out->failed ? -ENOMEM : result;
}

static int by_index(const void *left, const void *right)
{
	const struct link_entry *a = left, *b = right;
	return (a->index > b->index) - (a->index < b->index);
}

static struct link_entry *link_find(const struct links *links, unsigned index)
{
	const struct link_entry wanted = {.index = index};
	if (links->count == 0)
		return NULL;
	return bsearch(&wanted, links->at, links->count, sizeof wanted, by_index);
}

// What stands on a traffic interface, or has one as a member, sends through it. Each round marks one at least, so it ends.
static void mark_traffic(struct links *links)
{
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < links->count; i++) {
			struct link_entry *link = &links->at[i];
			const struct link_entry *below = link_find(links, link->below);
			struct link_entry *master = link_find(links, link->master);
			if (!link->is_traffic && below && below->is_traffic)
				link->is_traffic = more = true;
			if (link->is_traffic && master && !master->is_traffic)
				master->is_traffic = more = true;
		}
	}
}

static int stands_on_traffic(unsigned oif, const unsigned *traffic, size_t traffic_count, bool *out)
{
	struct links links = {0};
	int result = list_links(&links);
	if (links.count)
		qsort(links.at, links.count, sizeof *links.at, by_index);
	for (size_t i = 0; i < traffic_count; i++) {
		struct link_entry *link = link_find(&links, traffic[i]);
		if (link)
			link->is_traffic = true;
	}
	if (result == 0) {
		mark_traffic(&links);
		const struct link_entry *link = link_find(&links, oif);
		*out = link && link->is_traffic;
		if (!link) // it has gone since
			result = -ENETUNREACH;
	}
	free(links.at);
	return result;
}

int li_network_check(const struct li_connection *connection, const unsigned *traffic,
	size_t traffic_count, struct error *error)
{
	struct local_end own;
	unsigned oif = 0;
	bool is_traffic = false;
	char name[IFNAMSIZ] = "?";
	if (traffic_count == 0)
		return 0;
	int result = find_local_end(connection, &own);
	if (result == 0)
		result = find_way_out(connection, &own, &oif);
	if (result == 0)
		result = stands_on_traffic(oif, traffic, traffic_count, &is_traffic);
	if (result != 0)
		return error_set(error, result, "the way out is not known: %s", strerror(-result));
	if (!is_traffic)
		return 0;
	if_indextoname(oif, name);
	return error_set(error, -EPERM,
		"it would leave through interface '%s', where traffic is tapped: set `interface` or `source_address` (section li, or of "
		"the destination), or change the route",
		name);
}
