/* What the driver's parser needs of the kernel, for a process of its own. Little-endian hosts. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8, __u8;
typedef int8_t s8;
typedef uint16_t u16, __le16, __be16;
typedef int16_t s16;
typedef uint32_t u32, __le32, __be32;
typedef int32_t s32;
typedef uint64_t u64, __le64, dma_addr_t;
typedef int64_t s64, __s64;

#define __packed __attribute__((packed))
#define __aligned(x) __attribute__((aligned(x)))
#define __bitwise
#define __force
#define __counted_by(x)
#define fallthrough __attribute__((fallthrough))
#define struct_group(name, ...) struct { __VA_ARGS__ }
#define struct_group_attr(name, attr, ...) struct { __VA_ARGS__ }
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define GENMASK(h, l) ((~0UL << (l)) & (~0UL >> (63 - (h))))
#define ALIGN(x, a) (((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define DIV_ROUND_UP(a, b) (((a) + (b) - 1) / (b))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define DECLARE_BITMAP(name, bits) unsigned long name[DIV_ROUND_UP(bits, 64)]
#define EINVAL 22
#define ENOMEM 12
#define GFP_KERNEL 0
#define ETH_ALEN 6
#define cpu_to_le16(x) ((u16)(x))
#define cpu_to_le32(x) ((u32)(x))

enum {
	NL80211_IFTYPE_UNSPECIFIED,
	NL80211_IFTYPE_ADHOC,
	NL80211_IFTYPE_STATION,
	NL80211_IFTYPE_AP,
	NL80211_IFTYPE_P2P_CLIENT = 8,
	NL80211_IFTYPE_P2P_GO,
	NL80211_IFTYPE_P2P_DEVICE,
};

struct firmware {
	size_t size;
	const u8 *data;
};

static inline u32 le32_to_cpu(u32 x)
{
	return x;
}

static inline u32 le32_to_cpup(const u32 *p)
{
	u32 x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static inline bool test_bit(long n, const unsigned long *map)
{
	return map[n / 64] >> (n % 64) & 1;
}

static inline void __set_bit(long n, unsigned long *map)
{
	map[n / 64] |= 1UL << (n % 64);
}

extern bool warned;
#define WARN_ON(c) ({ bool c_ = (c); warned |= c_; c_; })

static inline void *kmemdup(const void *src, size_t n, int gfp)
{
	void *p = malloc(n ? n : 1);

	return memcpy(p, src, n);
}
#define kvmemdup kmemdup

/* Memory that nobody wrote reads as this. */
#define POISON 0xA5

static inline void *krealloc(void *p, size_t n, int gfp)
{
	size_t old = p ? ((size_t *)p)[-2] : 0;
	size_t *q = malloc(n + 16);

	q[0] = n;
	memset(q + 2, POISON, n);
	if (p)
		memcpy(q + 2, p, old < n ? old : n);
	return q + 2;
}
