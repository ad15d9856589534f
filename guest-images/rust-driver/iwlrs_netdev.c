// SPDX-License-Identifier: GPL-2.0
/*
 * The interface: a plain network device, and no wireless one, with its rfkill.
 *
 * Rust-for-Linux has no network devices, wiphys or mac80211 in 7.3 (rust/kernel/net is PHYs and netlink),
 * nor rfkill, and their C structures are not among its bindings. This stands for them: a name, an address,
 * going up and down, which the driver is told of, and a switch, of which it tells. No frame passes.
 */

#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/rfkill.h>
#include <linux/rtnetlink.h>
#include <linux/workqueue.h>

struct net_device *iwlrs_netdev_add(struct device *parent, const u8 *address, bool blocked,
				    const void *card);
void iwlrs_netdev_remove(struct net_device *netdev);
void iwlrs_netdev_set_blocked(struct net_device *netdev, bool blocked);
void iwlrs_netdev_close(struct net_device *netdev);

/* In iwlrs_core.rs. */
int iwlrs_netdev_open(const void *card);
void iwlrs_netdev_stop(const void *card);

struct iwlrs_netdev {
	const void *card;
	struct net_device *netdev;
	struct rfkill *rfkill;
	struct work_struct close;
};

static int open(struct net_device *netdev)
{
	struct iwlrs_netdev *priv = netdev_priv(netdev);

	if (rfkill_blocked(priv->rfkill))
		return -ERFKILL;
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

static void close(struct work_struct *work)
{
	struct iwlrs_netdev *priv = container_of(work, struct iwlrs_netdev, close);

	rtnl_lock();
	dev_close(priv->netdev);
	rtnl_unlock();
}

static int set_block(void *data, bool blocked)
{
	struct iwlrs_netdev *priv = data;

	if (blocked)
		schedule_work(&priv->close);
	return 0;
}

static const struct rfkill_ops rfkill_ops = {
	.set_block = set_block,
};

struct net_device *iwlrs_netdev_add(struct device *parent, const u8 *address, bool blocked,
				    const void *card)
{
	struct iwlrs_netdev *priv;
	struct net_device *netdev;
	int err = -ENOMEM;

	netdev = alloc_netdev(sizeof(*priv), "wlan%d", NET_NAME_ENUM, ether_setup);
	if (!netdev)
		return ERR_PTR(err);
	priv = netdev_priv(netdev);
	priv->card = card;
	priv->netdev = netdev;
	INIT_WORK(&priv->close, close);
	netdev->netdev_ops = &ops;
	SET_NETDEV_DEV(netdev, parent);
	eth_hw_addr_set(netdev, address);
	priv->rfkill = rfkill_alloc("iwlrs", parent, RFKILL_TYPE_WLAN, &rfkill_ops, priv);
	if (!priv->rfkill)
		goto free;
	rfkill_set_hw_state(priv->rfkill, blocked);
	err = rfkill_register(priv->rfkill);
	if (err)
		goto destroy;
	err = register_netdev(netdev);
	if (err)
		goto unregister;
	return netdev;

unregister:
	rfkill_unregister(priv->rfkill);
	cancel_work_sync(&priv->close);
destroy:
	rfkill_destroy(priv->rfkill);
free:
	free_netdev(netdev);
	return ERR_PTR(err);
}

void iwlrs_netdev_remove(struct net_device *netdev)
{
	struct iwlrs_netdev *priv = netdev_priv(netdev);

	rfkill_unregister(priv->rfkill);
	cancel_work_sync(&priv->close);
	unregister_netdev(netdev);
	rfkill_destroy(priv->rfkill);
	free_netdev(netdev);
}

void iwlrs_netdev_set_blocked(struct net_device *netdev, bool blocked)
{
	struct iwlrs_netdev *priv = netdev_priv(netdev);

	if (rfkill_set_hw_state(priv->rfkill, blocked))
		schedule_work(&priv->close);
}

void iwlrs_netdev_close(struct net_device *netdev)
{
	struct iwlrs_netdev *priv = netdev_priv(netdev);

	schedule_work(&priv->close);
}
