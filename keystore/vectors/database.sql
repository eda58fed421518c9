-- A database of the keystore: rows of every table, written by keystore/tests/vectors/write.rs.
INSERT INTO meta (name, generation, mac) VALUES ('keyring', 1, X'9DD99919C6DA2ACA4CAF185DA6FFAA7088A9FBBD6C7F39C7023032F6DE8F6E8B');
INSERT INTO epoch (id, value) VALUES (1, 17);
INSERT INTO identities (id, generation, sealed) VALUES (1, 1, X'B02EC5939E4923F8D2B206C87A85BA10A551267EFC41EEEF825F0FEA73EC913398CE6C17A73CA8C5BFF7080DABB2F871543C054F98E18AB5CD677BD2');
INSERT INTO documents (kind, name, version, revoked, row_version, generation, mac) VALUES ('guardrails', 'shared/guardrails', 1, 0, 5, 1, X'FB7D3081BF21A49860F6E5A2DA156E710E7C40C2309117AE8EEF4B36230EB465');
INSERT INTO documents (kind, name, version, revoked, row_version, generation, mac) VALUES ('policy', 'prod/app', 2, 0, 7, 1, X'E6604DE2502D3FCDE3881BFF34BE0E8E36EE4F08F3753B7B0B8CF683693017E6');
INSERT INTO documents (kind, name, version, revoked, row_version, generation, mac) VALUES ('baseline', 'prod/image', 1, 1, 9, 1, X'B836DBF3D63FBB86CA0275D4D0AF138DF587839874D23EFE903DF4FB7A600069');
INSERT INTO document_versions (kind, name, version, body, digest, created_at, created_by, row_version, generation, mac) VALUES ('guardrails', 'shared/guardrails', 1, '// Guardrails: the administrator''s own conditions on every release, whatever a secret''s policy says.
// They forbid and never permit. What a VM did not prove does not trip them: policies demand the evidence.

// T17: a chain that may have been revoked vouches for nobody.
@id("vtpm-revocation-fresh")
@reason("the revocation data of the AK certificate''s chain is not current")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has vtpm && principal.vtpm.revocation != Revocation::"fresh" };

@id("snp-revocation-fresh")
@reason("the revocation data of the SNP report''s chain is not current")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has snp && principal.snp.revocation != Revocation::"fresh" };

// T15: the host reads the memory of a guest with debug.
@id("snp-no-debug")
@reason("the host may debug this guest")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has snp && principal.snp.policy.debug };

@id("snp-no-migration-agent")
@reason("a migration agent may move this guest")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has snp && principal.snp.has_migration_agent };

@id("snp-vmpl-0")
@reason("the report was asked for at a lower privilege level than 0")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has snp && principal.snp.vmpl != 0 };

// T12: policies have floors for the reported TCB. During a roll-out hosts run firmware that is not committed yet
// (`provisional`), and can go back to the committed one: no floor is undercut by that while the reported TCB is not above it.
@id("snp-tcb-committed")
@reason("the reported TCB is above the committed one: the host can go back below it")
forbid (principal is Vm, action == Action::"release", resource)
when {
  principal has snp &&
  (principal.snp.reported_tcb.boot_loader > principal.snp.committed_tcb.boot_loader ||
   principal.snp.reported_tcb.tee > principal.snp.committed_tcb.tee ||
   principal.snp.reported_tcb.snp > principal.snp.committed_tcb.snp ||
   principal.snp.reported_tcb.microcode > principal.snp.committed_tcb.microcode ||
   (principal has snp.reported_tcb.fmc && principal has snp.committed_tcb.fmc &&
    principal.snp.reported_tcb.fmc > principal.snp.committed_tcb.fmc))
};

// T13: memory aliases (BadRAM). Reports of version 3 and later say whether they were looked for.
@id("snp-alias-check")
@reason("memory was not checked for aliases")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has snp && principal.snp.report_version >= 3 }
unless { principal.snp.platform has alias_check_complete && principal.snp.platform.alias_check_complete };

// T31: disks are opened in the initrd; after it the latch is closed.
@id("disk-phase")
@reason("disk secrets are for the initrd")
forbid (principal is Vm, action == Action::"release", resource)
when { context.purpose == Purpose::"disk" }
unless { principal has vtpm && principal.vtpm.phase == Phase::"initrd" };

// The KBS protocol signs no answers.
@id("protocol-v1")
@reason("releases by the KBS protocol are off")
forbid (principal is Vm, action == Action::"release", resource)
when { context.protocol != Protocol::"v1" };

// The same for TDX: Intel''s collateral was current, and with it the TCB that it knows.
@id("tdx-revocation-fresh")
@reason("the collateral of the TDX quote is not current")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has tdx && principal.tdx.revocation != Revocation::"fresh" };

// T18: a quote whose TCB nobody judged, or judged as revoked.
@id("tdx-tcb-known")
@reason("the TCB of the TDX platform is unknown or revoked")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has tdx }
unless {
  principal.tdx has tcb &&
  principal.tdx.tcb.status != TcbStatus::"revoked" &&
  principal.tdx.tcb.platform_status != TcbStatus::"revoked" &&
  principal.tdx.tcb.qe_status != TcbStatus::"revoked"
};

// T15: debugging and foreign modules are refused when the quote is verified, too.
@id("tdx-closed")
@reason("the host can read this trust domain")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has tdx && (principal.tdx.attributes.debug || !principal.tdx.attributes.sept_ve_disable) };

@id("tdx-not-migratable")
@reason("the trust domain can be moved by another one")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has tdx && principal.tdx.attributes.migratable };

@id("token-revocation-fresh")
@reason("the key set or the revocation data of the token''s chain is not current")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has google_token && principal.google_token.revocation != Revocation::"fresh" };

// An endorsement whose signer may have been revoked says nothing about the firmware. Google publishes no CRL for its
// signers: then the revocation is `not-offered`, which no other chain can have.
@id("snp-endorsement-fresh")
@reason("the revocation data of the launch endorsement''s chain is not current")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has snp.endorsement }
unless { [Revocation::"fresh", Revocation::"not-offered"].contains(principal.snp.endorsement.revocation) };

@id("tdx-endorsement-fresh")
@reason("the revocation data of the launch endorsement''s chain is not current")
forbid (principal is Vm, action == Action::"release", resource)
when { principal has tdx.endorsement }
unless { [Revocation::"fresh", Revocation::"not-offered"].contains(principal.tdx.endorsement.revocation) };
', X'C451547C20ABBE524A7D3F8AE5EFA4E0C72E66270D06916932BCBAA1AD84A0F0', 1800000060, 'alice', 5, 1, X'D34A198F32F367469A9CAF304194CB538CAE981DFEEA3E09DB9F4E9C2D15578D');
INSERT INTO document_versions (kind, name, version, body, digest, created_at, created_by, row_version, generation, mac) VALUES ('policy', 'prod/app', 1, '// first
@id("release")
@for("app")
@accepts("boot-chain")
permit (principal is Vm, action == Action::"release", resource is Secret)
when {
  principal has vtpm.instance &&
  principal.vtpm.root == Root::"extra" &&
  principal.vtpm.instance.project_number == "620438545889" &&
  principal has technology &&
  principal.technology == Technology::"sev-snp"
};
', X'18A600BA4E8500155954216E045C941454AAC79B8CA6C463F00BF2675C6027D5', 1800000060, 'alice', 6, 1, X'13615367CD9BB6D16BAE4699AD30C0BD5C6102188093F24F27171D2AF6C1A799');
INSERT INTO document_versions (kind, name, version, body, digest, created_at, created_by, row_version, generation, mac) VALUES ('policy', 'prod/app', 2, '// second
@id("release")
@for("app")
@accepts("boot-chain")
permit (principal is Vm, action == Action::"release", resource is Secret)
when {
  principal has vtpm.instance &&
  principal.vtpm.root == Root::"extra" &&
  principal.vtpm.instance.project_number == "620438545889" &&
  principal has technology &&
  principal.technology == Technology::"sev-snp"
};
', X'1FF0058275AD84516A6F5E8FA8406D89940FC8746EF0AA94F438652EB3C8ECCC', 1800000060, 'alice', 7, 1, X'0011FAD51189C94A88DADC691B43F751FE302901EB6EA1FD25E4DE3FED3769CA');
INSERT INTO document_versions (kind, name, version, body, digest, created_at, created_by, row_version, generation, mac) VALUES ('baseline', 'prod/image', 1, '{
  "version": 1,
  "ends_at": 1900000000,
  "technology": "sev-snp",
  "uki": ["0000000000000000000000000000000000000000000000000000000000000001"],
  "sections": {
    ".linux": ["0000000000000000000000000000000000000000000000000000000000000002"],
    ".initrd": ["0000000000000000000000000000000000000000000000000000000000000003"],
    ".cmdline": ["0000000000000000000000000000000000000000000000000000000000000004"]
  }
}
', X'E8E6C6554AF9AE669F689F29561C60F9CF2A8C1E70EC201DA0899C776B5DB885', 1800000060, 'alice', 8, 1, X'3045445FCA0DFD49E809FB354E754E03C3CA06C35EFB46A0F966295915E4D379');
INSERT INTO secrets (path, purpose, per_instance, policy, versions, created_at, row_version, generation, mac) VALUES ('prod/db/token', 'app', 0, 'prod/app', 2, 1800000060, 11, 1, X'CECD21B04E7D2FD8CCDB1B405D8F2D663453BDC3C94BB36E52776BCCAFDCD13C');
INSERT INTO secrets (path, purpose, per_instance, policy, versions, created_at, row_version, generation, mac) VALUES ('prod/db/per-instance', 'app', 1, 'prod/app', 1, 1800000060, 13, 1, X'48C52267F03B53FB7CA1866E5F6ADD4CEC9AC5531A6C24DFFBC909605B3C7256');
INSERT INTO secrets (path, purpose, per_instance, policy, versions, created_at, row_version, generation, mac) VALUES ('prod/db/old', 'app', 0, 'prod/app', 2, 1800000060, 15, 1, X'673FB7967000DF31C3EE2C21A8F83F0D717D02324B28EA2CFCEC07C6E418093A');
INSERT INTO secret_versions (path, version, state, created_at, row_version, generation, mac, retirement) VALUES ('prod/db/token', 1, 'retired', 1800000060, 12, 1, X'0E397B06D3003BE5693589E77ED3FAE63D71DDDC1D2F6CBCBA71ECEF31201953', 0);
INSERT INTO secret_versions (path, version, state, created_at, row_version, generation, mac, retirement) VALUES ('prod/db/token', 2, 'active', 1800000060, 11, 1, X'20C62BE848DB4358CE17FEF9B2938AC891C9B60CDD323C2257D2BA7DB3BF5781', 0);
INSERT INTO secret_versions (path, version, state, created_at, row_version, generation, mac, retirement) VALUES ('prod/db/per-instance', 1, 'active', 1800000060, 13, 1, X'93CA8D6CA0037740DB5B1C9A628A269BA9DC703FC97403ADDD97D07DD0612B62', 0);
INSERT INTO secret_versions (path, version, state, created_at, row_version, generation, mac, retirement) VALUES ('prod/db/old', 1, 'destroyed', 1800000060, 17, 1, X'521559664151D376EBF0413B4D193294D866F9E699804D4030A4EF69B82A4BBB', 0);
INSERT INTO secret_versions (path, version, state, created_at, row_version, generation, mac, retirement) VALUES ('prod/db/old', 2, 'retired', 1800000060, 16, 1, X'D5C53BDC23B5826F56F19006A75D5C23EA529B6644FADA8CAF71AD1990DFCB4F', 16);
INSERT INTO sealed_values (path, version, generation, data, wrapped_key) VALUES ('prod/db/token', 1, 1, X'56AB1FEB2A01F926FD7AC1D3B9B358EBCF9AD467CE4C2E620715A9A7CCF89F465B9C963D6AE9F7AA93154E', X'7A562C7B91271384F8B82D8059C6FF6E62AB2C1956EC55AE4224E60BE3095BD3B4AD494C9423341370435149F23FF7EC1DBDAE6406FB4CE608731A35');
INSERT INTO sealed_values (path, version, generation, data, wrapped_key) VALUES ('prod/db/token', 2, 1, X'81972E68DE8DABB2C48AC0D2239F5CB52CAF59DB1DCB455C2238C12D3F138A028E96667E4EDDDCFD7D284D96', X'58BE71706D9301F1AA074983A1F96DF6C4290781D7C545BA0310A29D5EA2C1ECB11B85B40E7FA2597B4380A8A9960C4ABBE1D4A1F98D4BE980AD4843');
INSERT INTO sealed_values (path, version, generation, data, wrapped_key) VALUES ('prod/db/per-instance', 1, 1, X'D7F34A0E053A7A2E0029BC2DB2373E4F01FE8E54DE2D0CB00C5E58CBDA1DDDDD853B8B16C68FF25C9FDF0EB18BC265BD60125E0566EB66BE23A5CE88', X'ADB36158064FF58701CA8248120748776AF9D97909EA52D416FFC3E838E76B6A1C840F2818605F92D80A265C25D622B444E0642C0F0BA2837175E1DB');
INSERT INTO sealed_values (path, version, generation, data, wrapped_key) VALUES ('prod/db/old', 2, 1, X'9E4724A17A00122FB4FBD2733CD6DBAB4B51F58B0ABC81F558BB4400EE8F69', X'212E3F96142EAA636755E6E85C3699ABB7F2D69D00A5958EB8249BCC5FBF459B01847BD7D173C170907174CB8D3B92E637E836FB7AE5B0849975A121');
INSERT INTO operators (name, role, namespaces, token_id, token_hash, created_at, row_version, generation, mac) VALUES ('alice', 'administrator', '', 'dee2073fe83d8c11', X'DC1BC22C0B7DB1D01BC860415FBF938B22A528296B7287E45DE640045C38850F', 1800000000, 1, 1, X'0B3C20DF2C83538D6B23D5F36B26BFBBC035878B3AF66EE871717020706518ED');
INSERT INTO operators (name, role, namespaces, token_id, token_hash, created_at, row_version, generation, mac) VALUES ('bob', 'auditor', 'prod', 'b9b84d72b253f9a4', X'6B9E7888432CBA795AC3047DC2970734EB89E502B344357896458900EF6BA9BC', 1800000060, 2, 1, X'49A7380A19582447075FD839F6EC90CB37B59995ACF7FE5D022BE90582966CFB');
INSERT INTO log_head (id, size, generation, mac) VALUES (1, 19, 1, X'B9F8D816EE9D666624807CED1505E085721586BAF0030A7E84E74B5316B47B3A');
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (0, X'1C35A2B507DBDC988FEEA86066C2BF6970833E98A4315362F5F69DCBC01A9333', '{"operator":{"account":{"namespaces":[],"role":"administrator"},"action":"operator.add","at":1800000000,"epoch":1,"id":"c8fd8d00631f15d2e2554f4f5062c827","operator":"init","rows":[{"key":"alice","removed":false,"table":"operators"}],"target":"alice"}}', 1, X'E643CFA946FF1FAB619FFF2A30FC7591F9C076B0366282E152AB57834EBFCAB2', 'operator', 'c8fd8d00631f15d2e2554f4f5062c827', '', 1800000000);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (1, X'FBEE988009064992FCE1ECC2EA44881850FB00AB377BC80F5439965098645D45', '{"operator":{"account":{"namespaces":["prod"],"role":"auditor"},"action":"operator.add","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":2,"id":"7e793103b33420649c7707de52b633b3","operator":"alice","rows":[{"key":"bob","removed":false,"table":"operators"}],"target":"bob"}}', 1, X'035D07DD1EC28841663AAE4290861A1866BA60DA5FA18A9DF07D27AEC9B46395', 'operator', '7e793103b33420649c7707de52b633b3', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (2, X'1A8FC8B26886104F0B50C2FC754877AD78DB3DFBA315E1EED327626A3F807BDC', '{"operator":{"account":{"namespaces":["prod"],"role":"editor"},"action":"operator.add","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":3,"id":"ea1cf7b2815500ebb3b9d86ff8609438","operator":"alice","rows":[{"key":"carol","removed":false,"table":"operators"}],"target":"carol"}}', 1, X'8499609068D0BAE51E201F8CBA6F703F8B6D9D9CE91B9C1F0BDFBE25C49015AB', 'operator', 'ea1cf7b2815500ebb3b9d86ff8609438', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (3, X'1AEB102ECA074825C3232D982303B9ECF9D1F6DB38FB49CE24EA7F116C2DF735', '{"operator":{"account":{"namespaces":["prod"],"role":"editor"},"action":"operator.remove","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":4,"id":"74939c2a11f944816e968b9e831ef54a","operator":"alice","rows":[{"key":"carol","removed":true,"table":"operators"}],"target":"carol"}}', 1, X'1714B6F796C11C99A82EBC8C2E471560089A2EDCC43B46139521A14EC8311565', 'operator', '74939c2a11f944816e968b9e831ef54a', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (4, X'00DC5CFA5043DEEA052F2757BA05E0C50690074F1234C2AFEC11869D0CA22686', '{"operator":{"action":"guardrails.put","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":5,"id":"afda861762056cd1500e78b2fb060265","operator":"alice","rows":[{"key":"guardrails shared/guardrails","removed":false,"table":"documents"},{"key":"guardrails shared/guardrails version 1","removed":false,"table":"document_versions"}],"target":"shared/guardrails"}}', 1, X'E1D5D88B323AD41562F937A6CCDD141346DCC5D1200266DDE30AF2D00866DC4D', 'operator', 'afda861762056cd1500e78b2fb060265', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (5, X'BEA71FB4C9BF51BA9E72A52C7C6D3533FB4C9A7BC9AA935E98B71124A87EB7C7', '{"operator":{"action":"policy.put","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":6,"id":"4b6c7678bfd247a7ba0dbe9ea230a4ab","operator":"alice","rows":[{"key":"policy prod/app","removed":false,"table":"documents"},{"key":"policy prod/app version 1","removed":false,"table":"document_versions"}],"target":"prod/app"}}', 1, X'28B5DBFCFAE80FA5B23511F90924A80ACB2922D0F950458E3B8DF1EB5076DFC4', 'operator', '4b6c7678bfd247a7ba0dbe9ea230a4ab', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (6, X'6CDE4DF6E10BD6B6263C20A848EF9B3564C7F950541C413FFF1C1180B30B0874', '{"operator":{"action":"policy.put","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":7,"id":"4cbec471d1c822d0fd382d64994658f7","operator":"alice","rows":[{"key":"policy prod/app","removed":false,"table":"documents"},{"key":"policy prod/app version 2","removed":false,"table":"document_versions"}],"target":"prod/app"}}', 1, X'F591F73DEC0BAF5BEBD5375BF83DEB2C97F75C0ED03F6AD173E3C77CD29A4F6E', 'operator', '4cbec471d1c822d0fd382d64994658f7', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (7, X'F81A31A2100146FA76C6FE2DA50AA92DDF3150135514D23C68BE431798254F92', '{"operator":{"action":"baseline.put","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":8,"id":"28326318682cc6b0e0d1e428c1d9b03e","operator":"alice","rows":[{"key":"baseline prod/image","removed":false,"table":"documents"},{"key":"baseline prod/image version 1","removed":false,"table":"document_versions"}],"target":"prod/image"}}', 1, X'917782B32A960F3CC16B295714735DE4FE7E373A8D5EDFBF7F8452FFFD4CDF0B', 'operator', '28326318682cc6b0e0d1e428c1d9b03e', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (8, X'3416E4BE9CB15F227C8FB319AF9265891A1A886BAB28AD74E09A1A6F1EC3C8B9', '{"operator":{"action":"baseline.revoke","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":9,"id":"186b617bc14f5df20d55e0853590ebb0","operator":"alice","rows":[{"key":"baseline prod/image","removed":false,"table":"documents"}],"target":"prod/image"}}', 1, X'562ECECCE768F945329B4821546542CA1C8A46B9865850CD22C2A74BC219004A', 'operator', '186b617bc14f5df20d55e0853590ebb0', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (9, X'B289A81BA5EAAA7B503018CC7240779B30E8C527B066211FC1B659D21F5415DB', '{"operator":{"action":"secret.put","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":10,"id":"7cc55552c832d7cf4a67f7296b0a9af4","operator":"alice","rows":[{"key":"prod/db/token","removed":false,"table":"secrets"},{"key":"prod/db/token version 1","removed":false,"table":"secret_versions"}],"target":"prod/db/token"}}', 1, X'933DB20A80F10A42669020242BB304DA75F5978167E2A460E38E2BB5489CA833', 'operator', '7cc55552c832d7cf4a67f7296b0a9af4', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (10, X'23F8E627BD62EF85C6C8FD07F82F26285A8426A199AD568A9639B0EA42FADA6B', '{"operator":{"action":"secret.put","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":11,"id":"4c0ffbd4247da8aeb947366c6de75394","operator":"alice","rows":[{"key":"prod/db/token","removed":false,"table":"secrets"},{"key":"prod/db/token version 2","removed":false,"table":"secret_versions"}],"target":"prod/db/token"}}', 1, X'612E348E45D132D4FE741F1BD47CB120CEA609FA4B1BE26977A6188D84296573', 'operator', '4c0ffbd4247da8aeb947366c6de75394', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (11, X'F341B2E5E939EF6EBFDED618E7B3F9518B7F4EF12ED7ED1E325800A5909EED8D', '{"operator":{"action":"secret.retire","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":12,"id":"e987d2173ccc80b68118385a5f43dd6f","operator":"alice","rows":[{"key":"prod/db/token version 1","removed":false,"table":"secret_versions"}],"target":"prod/db/token version 1"}}', 1, X'6EC7CD09138590B153DF7EFDEBE0E90A5264F2075ED00E17BCA591E484FC89F5', 'operator', 'e987d2173ccc80b68118385a5f43dd6f', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (12, X'2C96E9474E977AC72759BEBF69858EC6F07A7E3660CF965458C590EFA4CBD800', '{"operator":{"action":"secret.generate-per-instance","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":13,"id":"21f74c1d6353691daf1fe277668a89f8","operator":"alice","rows":[{"key":"prod/db/per-instance","removed":false,"table":"secrets"},{"key":"prod/db/per-instance version 1","removed":false,"table":"secret_versions"}],"target":"prod/db/per-instance"}}', 1, X'6DAF1F042D2AA51955335D3782B6A61E1B41EE37C12FA7512AB7F50A4AC0D638', 'operator', '21f74c1d6353691daf1fe277668a89f8', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (13, X'565325E2B03403EF154B5478FF17E258D873BE770AA5D7763FACBEF68546FBA4', '{"operator":{"action":"secret.put","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":14,"id":"4b4a096846f8334a6f3bb6886727d031","operator":"alice","rows":[{"key":"prod/db/old","removed":false,"table":"secrets"},{"key":"prod/db/old version 1","removed":false,"table":"secret_versions"}],"target":"prod/db/old"}}', 1, X'E8E23175AD0BD27FB6B2D75FEAA253C276DE8257BFEA5B71E1CDFD314576A8BC', 'operator', '4b4a096846f8334a6f3bb6886727d031', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (14, X'133A0282448B2BA66AF03B593C3EB5A6D7BE988A06B75F354757BDE4064E6086', '{"operator":{"action":"secret.put","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":15,"id":"9188eb723cc6d7691a41bc60d3c05ba5","operator":"alice","rows":[{"key":"prod/db/old","removed":false,"table":"secrets"},{"key":"prod/db/old version 2","removed":false,"table":"secret_versions"}],"target":"prod/db/old"}}', 1, X'F0752B288A784A0B402DD431561ED5FC90EFDBB3B75F952D79AB64E3138170E2', 'operator', '9188eb723cc6d7691a41bc60d3c05ba5', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (15, X'1E6D29B4B335D48911BCA27EADE66535D4E0FD2ABF54602BC3C669C408717D39', '{"operator":{"action":"secret.retire","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":16,"id":"3edf1cddd1d35fb32de1437676e705e7","operator":"alice","rows":[{"key":"prod/db/old version 1","removed":false,"table":"secret_versions"},{"key":"prod/db/old version 2","removed":false,"table":"secret_versions"}],"target":"prod/db/old"}}', 1, X'085BB02B70B3AE50A8A0C74EDF693FA8F65BE41E60D590D3EC4B4CECFB0F9A02', 'operator', '3edf1cddd1d35fb32de1437676e705e7', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (16, X'497FA4808837BA99EA37C782A68CBDFF1805C7DEAD77DE3B791E2F73EFCED39A', '{"operator":{"action":"secret.destroy","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":17,"id":"ffbab92bdd378bca84c88a2d333848cd","operator":"alice","rows":[{"key":"prod/db/old version 1","removed":false,"table":"secret_versions"}],"target":"prod/db/old version 1"}}', 1, X'6E69BD25ED4FA6AF4CB9F6CF8E6A9D3256777992FDA2F22FFF17C1DAF5551EA7', 'operator', 'ffbab92bdd378bca84c88a2d333848cd', '', 1800000060);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (17, X'323AB77819E78E1D01307D1C2ED680508B1B8488CE6DBADB7597388F097DB885', '{"grant":{"at":1800000120,"binding":{"broker":"ed25519:B1Gxva4rGUF9lt4jOUVM9C_16AhmdPDsmQnOHWD-MpQ","public_key":"BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU","suite":"x25519-hkdf-sha256-aes256gcm"},"chips":[{"chip":"sev-snp:aa","subject":"instance 123456789012/4567890123456789012"}],"claims":"0101010101010101010101010101010101010101010101010101010101010101","decision":"08080808080808080808080808080808","epoch":17,"evidence":[{"digest":"c55fc67d6ded3c03303192d993517f4494f6c07435df4db008f12f3f012e82f5","kind":"event-log"}],"guardrails":{"digest":"0606060606060606060606060606060606060606060606060606060606060606","version":1},"instance":"123456789012/4567890123456789012","nonce":"BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ","secrets":[{"path":"prod/db/token","policy":"prod/app","policy_digest":"0202020202020202020202020202020202020202020202020202020202020202","version":2}]}}', 1, X'2A451AAAFB5C5EBBA8B94B4E61794FE1B70CF9DBCA048CD3D25E98B2427B81A5', 'grant', '08080808080808080808080808080808', '123456789012/4567890123456789012', 1800000120);
INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) VALUES (18, X'CFC6D85969AA72DDA2044CE07E2FAD25A705683AA253A346737687F23D5B9B8B', '{"refusal":{"at":1800000120,"claims":"0303030303030303030303030303030303030303030303030303030303030303","code":"not-granted","decision":"09090909090909090909090909090909","evidence":[],"instance":"123456789012/4567890123456789012","paths":["prod/db/token"],"reasons":["prod/db/token: retired"]}}', 1, X'248552B67D2B5E97E706EF52629E95028097F451E563F3E519BD5025CA6C1443', 'refusal', '09090909090909090909090909090909', '123456789012/4567890123456789012', 1800000120);
INSERT INTO spent_nonces (nonce, expires_at) VALUES (X'0404040404040404040404040404040404040404040404040404040404040404', 1800000180);
INSERT INTO evidence (digest, bytes) VALUES (X'C55FC67D6DED3C03303192D993517F4494F6C07435DF4DB008F12F3F012E82F5', X'616E206576656E74206C6F67');
INSERT INTO chips_head (id, size, generation, mac) VALUES (1, 1, 1, X'7A0B6C03FBA59EF852BD4ED17C4A4A28FD6785DB6116B7ECD4CC787C0265CC1D');
INSERT INTO chips (idx, subject, chip, first_seen_at, decision, leaf, generation, mac) VALUES (0, 'instance 123456789012/4567890123456789012', 'sev-snp:aa', 1800000120, '08080808080808080808080808080808', 17, 1, X'70731B9A3B8F0B81853B5142D3C8AC443051E37DC26ADA0DF74C322664EF474B');
INSERT INTO nonce_floor (id, value, generation, mac) VALUES (1, 1799999000, 1, X'B411B62426FB7EB4A9FC47B2D8034C7AF86894E6512E2A0054FC1D1204D29C5E');
