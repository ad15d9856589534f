/* The driver's own types as far as its parser touches them; its code follows. */
#include "kernel.h"
#include "fw/img.h"
#include "fw/api/alive.h"

bool warned;
static char last_error[600];

static void keep(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_error, sizeof(last_error), format, args);
	va_end(args);
	last_error[strcspn(last_error, "\n")] = 0;
}

#define IWL_ERR(drv, format, ...) keep(format, ##__VA_ARGS__)
#define IWL_WARN(...) do { } while (0)
#define IWL_INFO(...) do { } while (0)
#define IWL_DEBUG_INFO(...) do { } while (0)
#define IWL_DEBUG_FW(...) do { } while (0)
#define IWL_DEBUG_FW_INFO(...) do { } while (0)
#define iwl_print_hex_dump(...) do { } while (0)
#define iwl_dbg_tlv_alloc(...) do { } while (0)

/* iwl-agn-hw.h, iwl-config.h, iwl-trans.h, fw/api/mac.h, fw/api/mac-cfg.h */
#define IWLAGN_RTC_INST_LOWER_BOUND 0x000000
#define IWLAGN_RTC_DATA_LOWER_BOUND 0x800000
#define IWL_DEVICE_FAMILY_22000 18
#define IWL_STATION_COUNT_MAX 16
#define IWL_FW_MAX_LINK_ID 3
#define IWL_FW_MAX_LINKS IWL_FW_MAX_LINK_ID + 1

enum {
	IWL_ERROR_EVENT_TABLE_LMAC1 = BIT(0),
	IWL_ERROR_EVENT_TABLE_LMAC2 = BIT(1),
	IWL_ERROR_EVENT_TABLE_UMAC = BIT(2),
	IWL_ERROR_EVENT_TABLE_TCM1 = BIT(3),
	IWL_ERROR_EVENT_TABLE_TCM2 = BIT(4),
	IWL_ERROR_EVENT_TABLE_RCM1 = BIT(5),
	IWL_ERROR_EVENT_TABLE_RCM2 = BIT(6),
};

struct iwl_pc_data {
	u8 pc_name[32];
	u32 pc_address;
};

struct iwl_mac_cfg {
	int device_family;
};

struct iwl_rf_cfg {
	u32 max_inst_size, max_data_size;
};

struct iwl_trans {
	const struct iwl_mac_cfg *mac_cfg;
	struct {
		u32 umac_error_event_table;
		u32 lmac_error_event_table[2];
		u32 tcm_error_event_table[2];
		u32 rcm_error_event_table[2];
		u32 error_event_table_tlv_status;
		struct iwl_pc_data *pc_data;
		u32 num_pc;
	} dbg;
};

struct iwl_drv {
	struct iwl_fw fw;
	struct iwl_trans *trans;
	char firmware_name[64];
};

static struct {
	int enable_ini;
} iwlwifi_mod_params;
