//! Google's hierarchies for vTPM attestation keys and attestation tokens, transcribed from the published
//! certificates, and the digest of its root for launch endorsements. The vTPM's endorsement keys chain to the
//! same roots as its attestation keys, so the AK verifier must check that a certificate is for an AK.

use vouchsafe_protocol::UnixTime;

use super::anchor::Anchor;
use super::anchor::PinnedRoot;
use super::hex::hex;
use super::hex::rsa_2048;
use super::hex::rsa_4096;
use super::purpose::Purpose;
use super::root::Root;

/// EK/AK CA Root.
pub(super) static EK_AK_CA_ROOT: Anchor = Anchor {
    name: "EK/AK CA Root",
    root: Root::Google,
    purposes: &[Purpose::GoogleAk],
    product: None,
    issuer: None,
    subject: &hex::<128>(
        "\
        307e310b3009060355040613025553311330110603550408130a43616c69666f726e69613116301406035504\
        07130d4d6f756e7461696e205669657731133011060355040a130a476f6f676c65204c4c4331153013060355\
        040b130c476f6f676c6520436c6f7564311630140603550403130d454b2f414b20434120526f6f74",
    ),
    spki: &rsa_4096(&hex("\
        9d25f550a8c8964b4a897c2b284da5b4bba419ee89c13aa6daddb71016211d939cbc52831345891eddaeda1f\
        c48d2bb9c7a8088a6c6bd34720aaf3dec33f37f13c98534788902ec957f7a4fa660e92c9650d6a7bcc879291\
        92b372a3dece58616b4479c0957f336ce0cb4abc67c0f96281e3d03a3688bc47d4751a89cb20deb04975f790\
        fd626d19f434681daa07e045ee470b790a0218d9eac713f046f548695a0721b31395a81939cd6f289f932c7d\
        a146715d526caafdaaeb5d56ddaa5b3f17207aff33e495d051baeb43b11b3b44ad2b50ec291b0a2ee0fe60bc\
        63ac1450e14788379587a7a1b4be06223a9b479ba60a67141e98efe454c2d1cec9b50181fb78d3857a470120\
        a4634aaa64e66e2e774e2aba6e9fd21063de213f3def83bc86d584b87d22d02e9c848640f03d7581207c0fea\
        5a2afea54ecb577a61a4b78686e965f06ff362642117785e8346ee211ef469abf34fc88b010af154c3516491\
        0633020dfedabc6224f7fb711921c4aaaba1801a38ae570dcd22c5c2dfe0ae489190e466c3a78f4b73a5563c\
        7796785bf04941a0c4a5eae6bd7e3d1b286202ba4b886179c817117e5ced1b5ae9370594415bd172bd7e9cb5\
        76bf3d2de146c54069743bcac4344b326dc541e9fcae647f3d245e11c26c6aa6d43ffabb3dcee4d117c5f4c6\
        fa01f3d97e7aa0a58250f88152afd1234525b5c0f70bd37ce84cfe3b")),
    key_id: hex("49e74a5b5629f59d79b7a6303c03b28fe714dd4c"),
    // 2022-07-08 to 2122-07-08.
    not_before: UnixTime(1_657_240_834),
    not_after: UnixTime(4_812_933_443),
    serial: &hex::<20>("00a65da4f9e328f38035c3a73d4f72432bdf15dc"),
    path_length: None,
    crl_url: None,
    sha256: hex("594759594b9b61524f6c8ef668f7177f7b9066bc0674f2f49fe9e052be78beb2"),
    url: "http://privateca-content-62d71773-0000-21da-852e-f4f5e80d7778.storage.googleapis.com/032bf9d39db4fa06aade/ca.crt",
};

/// EK/AK CA Intermediate (v3).
pub(super) static EK_AK_CA_INTERMEDIATE_V3: Anchor = Anchor {
    name: "EK/AK CA Intermediate (v3)",
    root: Root::Google,
    purposes: &[Purpose::GoogleAk],
    product: None,
    issuer: Some(&EK_AK_CA_ROOT),
    subject: &hex::<137>(
        "\
        308186310b3009060355040613025553311330110603550408130a43616c69666f726e696131163014060355\
        0407130d4d6f756e7461696e205669657731133011060355040a130a476f6f676c65204c4c43311530130603\
        55040b130c476f6f676c6520436c6f7564311e301c06035504031315454b2f414b20434120496e7465726d65\
        6469617465",
    ),
    spki: &rsa_4096(&hex("\
        a0631ed78061aa1f645a71d6d159ea365f886a47bd29400d4e00b5db3fbc50ba9c888bc3a22c347b34357cff\
        e9c0a84d471715c0fe7e2606c9265b99c3596ed6e579b6b2ece7203f12bf427d5197f02405d5307b65fbfa1d\
        fee1bfb96fede13df3aadd6b5a0ce798495c4b742f706f59f5693e26c196892d4aaa9b495ceb049aed4858bd\
        3fe1e192ee81c3a66dd53ffcff3e8e55d31b3cd1216cfb42185c66c32cca7dbdf0594d98088cd977b879de95\
        7479ad5524bde21a64412610b7464c2fb3741c49961810d7edeb1e368d648afedd96aeb6649cfd90ebb38596\
        154bfe0328d0d27a6dcce8bd8d37c914e7a0370de985caaa573b8b03dd5099fcea32473cbdacf4a09647f503\
        506b5be0fa9949a1d05c0e7c37fb594b2438f13d2ff9aafd098555008395f775490e7d778f49592dac756c09\
        1bce5d08ee29754be5b6c04571f8add651fff6f5a06144b6770dd9328ff4daf07c61317a5d39c89d7445e1d8\
        6e28fd6690021dd7096f051a42978d6f00a3b9010c16e9982be546f3ad4c159eb71f5d20e1b35245f9decdd1\
        d6ca14bcc79900ff36d3c7ded3af933a3fa4ecc727e6a6355ee00bcc02a166547d846c35a6328421408a4c96\
        df2fe2f640374fece4b629cda605540070bbbd3e6686fbe399a154e552b19dffa0c17ca4c4b0df9acad5a809\
        19092aef244d663268c8570180f50b8ca9e712d030ac85226357ba65")),
    key_id: hex("e966735467661befdd65bfe5e85ce3910b9b0552"),
    // 2022-08-23 to 2122-07-08.
    not_before: UnixTime(1_661_293_589),
    not_after: UnixTime(4_812_933_443),
    serial: &hex::<19>("676be22eea339f5260686da088af7a645e5c3f"),
    path_length: None,
    crl_url: Some(
        "http://privateca-content-62d71773-0000-21da-852e-f4f5e80d7778.storage.googleapis.com/032bf9d39db4fa06aade/crl.crl",
    ),
    sha256: hex("c84de8116dfaf5a908f21e810487791f5437e206d00ad8025050cca6bd2ff627"),
    url: "http://privateca-content-633beb94-0000-25c1-a9d7-001a114ba6e8.storage.googleapis.com/c59a22589ab43a57e3a4/ca.crt",
};

/// EK/AK CA Intermediate (2024-02).
pub(super) static EK_AK_CA_INTERMEDIATE_2024_02: Anchor = Anchor {
    name: "EK/AK CA Intermediate (2024-02)",
    root: Root::Google,
    purposes: &[Purpose::GoogleAk],
    product: None,
    issuer: Some(&EK_AK_CA_ROOT),
    subject: &hex::<137>(
        "\
        308186310b3009060355040613025553311330110603550408130a43616c69666f726e696131163014060355\
        0407130d4d6f756e7461696e205669657731133011060355040a130a476f6f676c65204c4c43311530130603\
        55040b130c476f6f676c6520436c6f7564311e301c06035504031315454b2f414b20434120496e7465726d65\
        6469617465",
    ),
    spki: &rsa_4096(&hex("\
        a76e49f480dab8fb639ee0441f551e7dc7f37ca7836b594c4ad93abe8f3e134d68bcd7d8c575f19d40da3a02\
        0cef5b7806324b94f1a2c5a1d32c91cfb6cd32764cdfb055fe46cc852f53ee3d94a86995fa222cf0a5e96f1d\
        ad813140bde732cba3961702d84a170bfbfd8a2728b5881e62ee840acf4bb62b8ce29026fb3a2c5459a1e71f\
        94840e004bea3a431b252c5169570fad6de8b4ccff518e0d914ef6d0448518ca16208e4875e5cc72e74b169a\
        ac1555deadf4993e7663fd28ee79855fdb31d01151180d844c2b7b1011b9195e0879ae267a46ff0b7dcb0b2b\
        c23494744b1fd62d44da052c78abb14ae0fee5b94f2dff358378ae4af699efa64f9ec55516ffa93cb2530f48\
        8f12e88a00d4d6734f0a75a5db7af317f6710677c3aa8b2a1232ce8e9b340f4d3de9d2afcb1d814832ef22de\
        cb432fbbebcec31f057c29305e77ca618472201bd4c29eac75319ae524e49df2babcff541d61a622e54d43f7\
        ec76efa4950f3c66065839bdc912e212a9bc37a8c8cdc4513c1366a1266aa6589a431650a4502a9790b1edaa\
        f1c8484bd3ee02fbf000ffe2c390e3ce97508d0599e8e338976231ec7fe3f98e522565465e2f587ee8d00942\
        6673c25bad264d7d0a0924ae228ecef1940ae34657adab4347b3e792140eb0f79b898034ed7df78efc7a1cf1\
        ad6c4b1701120bb1da2b8af624f7105f10635ff75fa5824494fc5a69")),
    key_id: hex("046e735832c4a5cac23904fe337b59406068c8b4"),
    // 2024-02-22 to 2122-07-08.
    not_before: UnixTime(1_708_638_236),
    not_after: UnixTime(4_812_933_443),
    serial: &hex::<20>("00c5f634df40b9acffa5311a373e42abbcf0a56a"),
    path_length: None,
    crl_url: Some(
        "http://privateca-content-62d71773-0000-21da-852e-f4f5e80d7778.storage.googleapis.com/032bf9d39db4fa06aade/crl.crl",
    ),
    sha256: hex("86ee03e66f9cd134b8d9ca0cdac3dbe5613fe12cfaa473f127e8477282033bd3"),
    url: "https://github.com/salrashid123/gcp-vtpm-ek-ak",
};

/// EK/AK CA Intermediate (0f219d56), seen in VMs of 2025-12 and 2026-02.
pub(super) static EK_AK_CA_INTERMEDIATE_0F21: Anchor = Anchor {
    name: "EK/AK CA Intermediate (0f219d56)",
    root: Root::Google,
    purposes: &[Purpose::GoogleAk],
    product: None,
    issuer: Some(&EK_AK_CA_ROOT),
    subject: &hex::<137>(
        "\
        308186310b3009060355040613025553311330110603550408130a43616c69666f726e696131163014060355\
        0407130d4d6f756e7461696e205669657731133011060355040a130a476f6f676c65204c4c43311530130603\
        55040b130c476f6f676c6520436c6f7564311e301c06035504031315454b2f414b20434120496e7465726d65\
        6469617465",
    ),
    spki: &rsa_4096(&hex("\
        a12fb0a8dc636132d7c93fe8cd88feb5852f067d93ff06ad555094f6a61107422412828efbccadd67cddaef7\
        61286cbb66ceb937ad327f165b2d3f0bdbb4d90ebe2c86abb723a785b447b4004d4d06b3fadb99e459bd29c5\
        d8fb92344b6fe80f83ba53a08a576c11fb00a46c1195ab362c0426dba0027d560cbba5bc4c6ba98afb164cd8\
        ae106c01a74c076ed4f662373380b204a502796f78d264420f758202e44122d5ac7ae9489381fda10f4712b9\
        5bd88c16439bdb63d9bd22ba3a44fc53c77a9930a3b568b5e64ad23a2b5d769cfdee205f8bf6b980c8572af2\
        f0842f331944e75bb581241e671b70e616995708a502e29b46b49e57d4977666f68ecf4682dc2226de02df34\
        0192de86e8563fe180325e12f9713704e1ecd02609a69e17cb0eab82c6b0c71f41ee600b3ec39c9e6404104f\
        aa3b798ef7c7e16a0a431b0af9dcc0a08173a336a9891ba831f91cb3bc3fb5dcc66aa0288915cee1e452360f\
        86535d8fad33e068f5c6e5f60870f2f6f476eec189b0c7e2a2231ee54618c62bcef19362f08ebd29a6f70805\
        c61c8809f17a63da7c3245ed5a79ff479c92e977e2bdb6f86e17a61db47e84a1c11d5b28cf0a2c71222deeff\
        987f5648f3438bf69dd33b27bebde1c8bf43e1ccf464a940bd6d347200eacea0cc03f31c9879d3e549a1e886\
        fcf15bd5026083b63d170ec8cefb530c70fddd6592b19098e70425b7")),
    key_id: hex("0f219d56e1a9c089c56cda23c0c4f132b04a897a"),
    // 2024-02-22 to 2122-07-08.
    not_before: UnixTime(1_708_638_217),
    not_after: UnixTime(4_812_933_443),
    serial: &hex::<20>("00fa059c0b6a3444facfce2e9d206efdf45bb01f"),
    path_length: None,
    crl_url: Some(
        "http://privateca-content-62d71773-0000-21da-852e-f4f5e80d7778.storage.googleapis.com/032bf9d39db4fa06aade/crl.crl",
    ),
    sha256: hex("02f507068014de60d15fee5901513a03040baa922143143bc50288b55b24bceb"),
    url: "http://privateca-content-65d1688e-0000-2203-850e-30fd381456f8.storage.googleapis.com/810af313406ad3e2079b/ca.crt",
};

/// EK/AK CA Intermediate (67c3bbde), seen in VMs of 2026-02.
pub(super) static EK_AK_CA_INTERMEDIATE_67C3: Anchor = Anchor {
    name: "EK/AK CA Intermediate (67c3bbde)",
    root: Root::Google,
    purposes: &[Purpose::GoogleAk],
    product: None,
    issuer: Some(&EK_AK_CA_ROOT),
    subject: &hex::<137>(
        "\
        308186310b3009060355040613025553311330110603550408130a43616c69666f726e696131163014060355\
        0407130d4d6f756e7461696e205669657731133011060355040a130a476f6f676c65204c4c43311530130603\
        55040b130c476f6f676c6520436c6f7564311e301c06035504031315454b2f414b20434120496e7465726d65\
        6469617465",
    ),
    spki: &rsa_4096(&hex("\
        d850a0aeb8fdd421980bbb1ab25c530ecc23192e683df0671308eb64c4543a4a80fe67317b5a35b2fb0c9653\
        2d36339ddcc489911c0452ec275fbd3b5e1352044eb8cb6252128b45e3797f56af8f7819595ef2476b42610e\
        1f0353a73885e2ddd9739562ce9f5766c066ff923ae1669a23edef9dd301c96334578c648690e205c48cb668\
        76f054fc3d3d5147fddadad28a1b8a6561a98ed46e4f67a9f82e31e0f2f85d095f99863c1f957906a04edaf1\
        721e972d17196b37108c8c6e934255f4ef364ef6c4000c59758702644bd06861a5c251d01ec2bc1e1259087b\
        d3fd3f5324c1085453c765009ad83a2cd9d5dac2208e13cd67faf6619ef45fdc23111f76eed93ea787e5f241\
        ded6a119988ff9360ae84cbedae4ef0e9ef13bd1b04dd313724a5a994e283a75ee7d4288758a2152ec32d2f8\
        dbd83e15b564958e070beda2fddf368bca8b077d282c66842cf058cf2b3595a8502af51b134779a493cf7568\
        2e5dacc47a95bd709317ea3f2f6b4b9e88a26fdc9c04c7c4c940cac12f9544f331df6707774e55a6350c8373\
        baffd9a21470928215145c4ef8b8ef8491819001845b0dfa6cdcd5e2c96c7c6f60dbea3be8896ea036668009\
        9a0ca2ef66f36ed1a06b7c15d9037cd66056e71e7ce28c637e5f22c3eef27471df5243e67a24e8505776125e\
        072a1f9c52974a9cb3f9d8a6086abed21afd32c4d8d82c336f2f667d")),
    key_id: hex("67c3bbde58e3d651768fb31a3edb07a7ec937ae4"),
    // 2024-02-22 to 2122-07-08.
    not_before: UnixTime(1_708_638_255),
    not_after: UnixTime(4_812_933_443),
    serial: &hex::<19>("688fff0db1348a5482ed28c99cd18fc0028afa"),
    path_length: None,
    crl_url: Some(
        "http://privateca-content-62d71773-0000-21da-852e-f4f5e80d7778.storage.googleapis.com/032bf9d39db4fa06aade/crl.crl",
    ),
    sha256: hex("890a2385c112b40c1b61229104bc366a79a415891402ffd70f6325f87dcd9d5f"),
    url: "http://privateca-content-65d53b14-0000-212a-a633-883d24f57bb8.storage.googleapis.com/0c3e79eb0898d02ebb0a/ca.crt",
};

/// tpm_ek_root_1.
pub(super) static TPM_EK_ROOT_1: Anchor = Anchor {
    name: "tpm_ek_root_1",
    root: Root::Google,
    purposes: &[Purpose::GoogleAk],
    product: None,
    issuer: None,
    subject: &hex::<193>(
        "\
        3081be310b3009060355040613025553311330110603550408130a43616c69666f726e696131163014060355\
        0407130d4d6f756e7461696e205669657731133011060355040a130a476f6f676c65204c4c43310e300c0603\
        55040b1305436c6f7564315d305b06035504030c5474706d5f656b5f76315f636c6f75645f686f73745f726f\
        6f742d7369676e65722d302d323031382d30342d30365431303a35383a32362d30373a3030204b3a312c2031\
        3a5077303033487346594f343a303a3138",
    ),
    spki: &rsa_4096(&hex("\
        fbc23ba4ee57f8e92786ae615a3ef432ad76c0bb10fe695edc97c2f6e70a3da44fef093c66fefad389ca58a1\
        0d23b604daeda95ba492257c757618d0c40db9f3e29d29c164feecd515cde05f7d934b522377b94c8d83c111\
        415748dcbbbad8665cf1de63b596d369ffd515037cf12f3ebadd23e7a0105450d9579d8f7426e74e2dfc1734\
        febc2a20adfd8206ed7ac844c63c897345ad34bd04895a2dbf8b2209a1dbd14dfd8710b17b00cae9bcdf9168\
        50b7032eaceb4e303edeb7d1bd02f0aeae50b0970456e658551412e6d77845b443cf818b4331ed453d0349ef\
        3d68502775a2bc8788bf58b0e8388f1227c07c9be56f3960d89f1ffba8fe8db029e271583b050cd8a80b654d\
        31d4ce2e4d776a7b1dcdc56dba9853be0474d4ed140c03b08f793747fe2c2df044ad71bc681a45276725e925\
        84d56c74ed344c392601576490afa8ecf8a3d92b36cb05bdb911f9827a2c9dfb30896c407bd2efc097c1af83\
        0db616bb7af03072faa446f04916077e015ba03aec0e082deb1c512ab9aa145a936bbd2045315a285a0b347c\
        c31c4ad6188febd177d68d0ed807b1b81242f0850e6a3dd6572a44573062a0dff09990c193bdc983b38dbffb\
        dcc06cc51cee5e9790f7f2ff4ab2202f7cd2ecb2d3c9b6d0dcb24ee7ddafcfeb0493afcffc83994863d28793\
        4b54b4b38c77d4b8c47ad2127ccc6a37e101c9fe9d66e9a1df939da1")),
    key_id: hex("65f4e4e6aaf6fd5ad2889ca85355f7008e08f7a5"),
    // 2018-04-06 to 2118-04-06.
    not_before: UnixTime(1_523_037_506),
    not_after: UnixTime(4_678_714_706),
    serial: &hex::<16>("6f0e24b18dbe4e538c4f96c3a8265ac1"),
    path_length: None,
    crl_url: None,
    sha256: hex("9bd5285f8fb18502a7947e621ffd470266f49fcd3b73e19a190f690ad32a7caf"),
    url: "https://pki.goog/cloud_integrity/tpm_ek_root_1.crt",
};

/// tpm_ek_intermediate_2.
pub(super) static TPM_EK_INTERMEDIATE_2: Anchor = Anchor {
    name: "tpm_ek_intermediate_2",
    root: Root::Google,
    purposes: &[Purpose::GoogleAk],
    product: None,
    issuer: Some(&TPM_EK_ROOT_1),
    subject: &hex::<188>(
        "\
        3081b9310b3009060355040613025553311330110603550408130a43616c69666f726e696131163014060355\
        0407130d4d6f756e7461696e205669657731133011060355040a130a476f6f676c65204c4c43310e300c0603\
        55040b1305436c6f75643158305606035504030c4f74706d5f656b5f76315f636c6f75645f686f73742d7369\
        676e65722d302d323032302d31302d32325431343a30323a30382d30373a3030204b3a312c20323a48424e70\
        4133545041624d3a303a3138",
    ),
    spki: &rsa_2048(&hex("\
        b4e0322c41292b6d0081e3fec4576043117673041054543685ff2b83cf1cdd30dbb191d35b07f7126ca6d273\
        8fa023ee0d2c89ffa99037ecacd601df0f4af885db31600be645e26e30afb279f37d27e0e90006a7ddb4fdfa\
        f11388d5be547b56afba035f787508d93cf56087e50e55e59e8b4d313e0ee1220cba0f6c7c11639f020d6e2b\
        c3bb78143fcd37bdf5c30ac4dc9dd280ed680de635c31007dd3f5119b6e80e0ec0b14a3bdcbde2abdf439198\
        283befa37e6edf90f9841e431171585e9e2031bcbb804f93da7f9975c87ea40c77e5a9ad612dd6976f405511\
        a22780376871124a0bf79f68162bdaebdbc08d353c1ea6806f5eae5a159241ac87d255db")),
    key_id: hex("13cd71ba58b20a51a3280e65b9969ebb1d0d1193"),
    // 2020-10-22 to 2120-10-22.
    not_before: UnixTime(1_603_400_528),
    not_after: UnixTime(4_759_074_128),
    serial: &hex::<16>("28616e77897e4e66bfdec7f9f10313ac"),
    path_length: Some(0),
    crl_url: Some("http://pki.goog/cloud_integrity/tpm_ek_root_1.crl"),
    sha256: hex("5d8dbcf8c8053dd8ffad711b6219355032b7122c34cac0f90ccb49def69ec504"),
    url: "https://pki.goog/cloud_integrity/tpm_ek_intermediate_2.crt",
};

/// tpm_ek_intermediate_3.
pub(super) static TPM_EK_INTERMEDIATE_3: Anchor = Anchor {
    name: "tpm_ek_intermediate_3",
    root: Root::Google,
    purposes: &[Purpose::GoogleAk],
    product: None,
    issuer: Some(&TPM_EK_ROOT_1),
    subject: &hex::<188>(
        "\
        3081b9310b3009060355040613025553311330110603550408130a43616c69666f726e696131163014060355\
        0407130d4d6f756e7461696e205669657731133011060355040a130a476f6f676c65204c4c43310e300c0603\
        55040b1305436c6f75643158305606035504030c4f74706d5f656b5f76315f636c6f75645f686f73742d7369\
        676e65722d302d323032312d31302d31325430343a32323a31312d30373a3030204b3a312c20333a6e627661\
        475a464c6375633a303a3138",
    ),
    spki: &rsa_2048(&hex("\
        ef33dd21151ece06f4bf53cd8bc3b864584b1fd2eb7dae7bd368a1cd2b54a2facc33b4f060194eff46f78d47\
        1545814eaae4d661fe39c6d719791fd0fed731ee4e128e7a443b6b1517a5d70fb4ddc25e9fb092090e4dd660\
        6e79f88e70d089bc3205032ecdf3fef2347cadca404b93c6c29cabe74223809074e36f21aceaf58647c6b363\
        90db77aa7121829e226d9e712498dc628ce02abc0a146a71562e6a4480da8ba925e88521553284ba56d88a1d\
        f0b8e6f6f444d9334a8cc40e78c2eea63d9e76810b86f078c8184d07aa8d7fcbfb964fcd82cf5130eec83f3f\
        47702266573a1654e4ccad5abe73d48380f9491c7c80ca07af999e67aee0dc7b2713d4f3")),
    key_id: hex("6708c47711fdd58784d32c1d6b4d978360842580"),
    // 2021-10-12 to 2121-10-12.
    not_before: UnixTime(1_634_037_731),
    not_after: UnixTime(4_789_711_331),
    serial: &hex::<16>("74faf77cf1f740c89591ef5319737977"),
    path_length: Some(0),
    crl_url: Some("http://pki.goog/cloud_integrity/tpm_ek_root_1.crl"),
    sha256: hex("7132b6ea71101f6c51bb58f98c3798c19b65be510eca0344318900510b593178"),
    url: "https://pki.goog/cloud_integrity/tpm_ek_intermediate_3.crt",
};

/// Confidential Space Root CA: its chains come complete with the tokens that they sign.
pub(super) static CONFIDENTIAL_SPACE_ROOT: Anchor = Anchor {
    name: "Confidential Space Root CA",
    root: Root::Google,
    purposes: &[Purpose::ConfidentialSpace],
    product: None,
    issuer: None,
    subject: &hex::<142>(
        "\
        30818b310b3009060355040613025553311330110603550408130a43616c69666f726e696131163014060355\
        0407130d4d6f756e7461696e205669657731133011060355040a130a476f6f676c65204c4c43311530130603\
        55040b130c476f6f676c6520436c6f7564312330210603550403131a436f6e666964656e7469616c20537061\
        636520526f6f74204341",
    ),
    spki: &rsa_4096(&hex("\
        af46e65ab1ccc0aa13197b53831c9e8c14b5fc118555f9137bc623bd1a9b80e778b397d3b1829dcd5e293715\
        b627fbb6dc22430c490a42afa2b48db4900994fa7793f93c94f90e93466232c7916ebbfdf97e06eede48c6f4\
        a9109ad634bedce84d2bbb7b4886879b55dd992460863c28825291ba4dc21ab1786626bd45c13fa76314ebd1\
        b2259a6a1d8c13a6536bdf1e3317eda7264f3a1b2c033feb06c123d67dc9aa634e15403ed93c311967faa0cd\
        da0be62944f767909c0b32fba9ba2f10441c755c1697c3b4d55422dd9530258b05e38a510727e63b3be7ac5b\
        9489eac3f42d411474027d327d18c1b86be63230301130e8e444d8fdf73e9db415609ccd41373d10ea451563\
        e9c3f66315c37d0269dd7716141131573e60587ab31ecf42ca36d1a97ca6071e130c4c8de68f49bf57d7c26d\
        f87661b0549cc4b64b0776d18488322fc78866aa3a9194a9731e415c3ba611934b74182bc64ceb9b02fd0848\
        4335ddb222c3805062b559e522ede522fe82ba21ef5de489051951c50f15bbeb7a27b841765d1eb5604a02ef\
        55b62e3a69fe5c8c2d3776ca641d1dcc01419cacb5844e44349ac4002af200970c9044bb90388e43ea917ee9\
        a7f535b97ebd1eec2c26c359d32a9b513d5fa2b214a77a7b7ae713d3b8764149a77e56bd1da0a880245286be\
        56ad4c5cb1581b88a66a764a1f48a0ac86e56dac110abdc6af6e055d")),
    key_id: hex("17e7c1384e93875b27a4abaf21be92f3f9ad3cbe"),
    // 2024-01-19 to 2034-01-16.
    not_before: UnixTime(1_705_702_250),
    not_after: UnixTime(2_021_062_249),
    serial: &hex::<19>("601bd1cb983d69860c87bb494bba45c1a7cbea"),
    path_length: None,
    crl_url: None,
    sha256: hex("148b293821bb0c6a317f413c8ba475814091cb22d49b9e3c94198db8e8f86c39"),
    url: "https://confidentialcomputing.googleapis.com/.well-known/confidential_space_root.crt",
};

/// GCE-cc-tcb-root: its certificate comes in the CA bundle of each launch endorsement.
///
/// Three independent public code bases have this digest of the published file. A development root with the
/// same name exists, and its private key is public.
pub(super) static GCE_CC_TCB_ROOT: PinnedRoot = PinnedRoot {
    name: "GCE-cc-tcb-root",
    root: Root::Google,
    purposes: &[Purpose::LaunchSigner],
    sha256: hex("e876bc6978bf4f3da445f98a0a82363c8c0bae5a1fc033c6df65846a6cb0f18c"),
    url: "https://pki.goog/cloud_integrity/GCE-cc-tcb-root_1.crt",
};
