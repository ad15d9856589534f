// SPDX-License-Identifier: GPL-2.0
/*
 * The interface: a plain network device, and no wireless one.
 *
 * Rust-for-Linux has no network devices, wiphys or mac80211 in 7.3 (rust/kernel/net is PHYs and netlink),
 * and their C structures are not among its bindings. This stands for one: its name, its address, and going
 * up and down, which the driver is told of. No frame passes.
 */

#include <linux/etherdevice.h>
#include <linux/netdevice.h>

struct net_device *iwlrs_netdev_add(struct device *parent, const u8 *address, const void *card);
void iwlrs_netdev_remove(struct net_device *netdev);

/* In iwlrs_core.rs. */
int iwlrs_netdev_open(const void *card);
void iwlrs_netdev_stop(const void *card);

struct iwlrs_netdev {
	const void *card;
};

static int open(struct net_device *netdev)
{
	struct iwlrs_netdev *priv = netdev_priv(netdev);

	return iwlrs_netdev_open(priv->card);
}

static int stop(struct net_device *netdev)
{
	struct iwlrs_netdev *priv = netdev_priv(netdev);

	iwlrs_netdev_stop(priv->card);
	return 0;
}

static netdev_tx_t start_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	dev_kfree_skb_any(skb);
	netdev->stats.tx_dropped++;
	return NETDEV_TX_OK;
}

static const struct net_device_ops ops = {
	.ndo_open = open,
	.ndo_stop = stop,
	.ndo_start_xmit = start_xmit,
};

struct net_device *iwlrs_netdev_add(struct device *parent, const u8 *address, const void *card)
{
	struct iwlrs_netdev *priv;
	struct net_device *netdev;
	int err;

	netdev = alloc_netdev(sizeof(*priv), "wlan%d", NET_NAME_ENUM, ether_setup);
	if (!netdev)
		return ERR_PTR(-ENOMEM);
	priv = netdev_priv(netdev);
	priv->card = card;
	netdev->netdev_ops = &ops;
	SET_NETDEV_DEV(netdev, parent);
	eth_hw_addr_set(netdev, address);
	err = register_netdev(netdev);
	if (err) {
		free_netdev(netdev);
		return ERR_PTR(err);
	}
	return netdev;
}

void iwlrs_netdev_remove(struct net_device *netdev)
{
	unregister_netdev(netdev);
	free_netdev(netdev);
}
