/* Reads files from stdin, each after its length as a 32-bit word, and prints what the driver
 * makes of it, one line each. */
static bool unwritten(const struct fw_sec *sec)
{
	const u8 poison[sizeof(sec->data)] = { [0 ... sizeof(sec->data) - 1] = POISON };

	return !memcmp(&sec->data, poison, sizeof(poison));
}

/* The calls that iwl_req_fw_callback makes, up to the allocation of the sections. */
static void judge(struct iwl_drv *drv, const struct firmware *file)
{
	static const struct iwl_rf_cfg cfg_6205 = { 0x40000, 0x14000 };
	struct iwl_firmware_pieces *pieces = calloc(1, sizeof(*pieces));
	struct iwl_ucode_capabilities *capa = &drv->fw.ucode_capa;
	bool usniffer_images = false, whole = true;
	int err;

	warned = false;
	last_error[0] = 0;
	if (file->size < 4) {
		puts("rejects: File size way too small!");
		return;
	}
	if (le32_to_cpup((const void *)file->data))
		err = iwl_parse_v1_v2_firmware(drv, file, pieces);
	else
		err = iwl_parse_tlv_firmware(drv, file, pieces, capa, &usniffer_images);
	if (err) {
		printf("rejects: %s\n", warned ? "a warning" : last_error);
		return;
	}

	printf("%s, %s, API %u, flags %x, PHY %x, api", drv->fw.fw_version,
	       drv->fw.type == IWL_FW_MVM ? "iwlmvm" : "iwldvm",
	       fw_has_api(capa, IWL_UCODE_TLV_API_NEW_VERSION) ?
			drv->fw.ucode_ver : IWL_UCODE_API(drv->fw.ucode_ver),
	       capa->flags, drv->fw.phy_config);
	for (int bit = 0; bit < 3 * 32; bit++)
		if (test_bit(bit, capa->_api))
			printf(" %d", bit);
	printf(", capa");
	for (int bit = 0; bit < 5 * 32; bit++)
		if (test_bit(bit, capa->_capa))
			printf(" %d", bit);
	for (int type = 0; type < IWL_UCODE_TYPE_MAX; type++) {
		printf(", image %d", type);
		for (int i = 0; i < pieces->img[type].sec_counter; i++) {
			struct fw_sec *sec = &pieces->img[type].sec[i];

			if (unwritten(sec))
				printf(" unwritten");
			else
				printf(" %zx@%zx to %x", sec->size,
				       (size_t)((const u8 *)sec->data - file->data), sec->offset);
		}
	}
	/* validate_sec_sizes would crash on these: look first. */
	for (int type = IWL_UCODE_REGULAR; type <= IWL_UCODE_INIT; type++)
		whole &= pieces->img[type].sec_counter == 2 && !unwritten(pieces->img[type].sec);
	if (drv->fw.type == IWL_FW_DVM && whole) {
		last_error[0] = 0;
		err = validate_sec_sizes(drv, pieces, &cfg_6205);
		printf(", %s", err ? last_error : "fits");
	}
	puts("");
}

int main(void)
{
	static const struct iwl_mac_cfg mac_cfg = { IWL_DEVICE_FAMILY_22000 };
	struct iwl_trans trans = { .mac_cfg = &mac_cfg };
	u32 size;

	while (fread(&size, sizeof(size), 1, stdin) == 1) {
		/* Nothing but zeros behind the file, for values read past its end. */
		u8 *bytes = calloc(1, size + 4096);
		struct firmware file = { size, bytes };
		struct iwl_drv *drv = calloc(1, sizeof(*drv));

		if (fread(bytes, 1, size, stdin) != size)
			return 1;
		drv->trans = &trans;
		strcpy(drv->firmware_name, "iwlwifi-x-1.ucode");
		judge(drv, &file);
		free(drv);
		free(bytes);
	}
	return 0;
}
