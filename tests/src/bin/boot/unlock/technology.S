# An option ROM with an EFI driver that does what Google's firmware does and OVMF does not: it measures `GCE NonHostInfo`
# with the technology (1: AMD SEV) into PCR 0. Then baselines and policies are those of a Confidential VM of Google's.
# It is laid out by hand, so that assembler and objcopy suffice: ROM header (UEFI specification, 14.4.2), PE32+ headers, code.

        .set    ALIGNMENT, 0x200
        .set    CODE, code - image

        .text
rom:    .word   0xaa55
        .word   (end - rom) / 512
        .long   0x0ef1                          # EFI image
        .word   11                              # boot service driver
        .word   0x8664                          # x86-64
        .word   0                               # not compressed
        .skip   8
        .word   image - rom
        .word   data - rom
        .balign 4, 0
data:   .ascii  "PCIR"
        .word   0x1af4, 0x1000                  # virtio network
        .word   0
        .word   28                              # length of this structure
        .byte   3                               # its revision
        .byte   0, 0, 2                         # network controller
        .word   (end - rom) / 512
        .word   0
        .byte   3                               # EFI
        .byte   0x80                            # the last image
        .word   0, 0, 0
        .balign ALIGNMENT, 0

image:  .ascii  "MZ"
        .skip   0x3a
        .long   pe - image
pe:     .ascii  "PE\0\0"
        .word   0x8664, 1                       # one section
        .long   0, 0, 0
        .word   section - optional
        .word   0x222e                          # executable DLL without line numbers and debug information
optional:
        .word   0x20b                           # PE32+
        .byte   0, 0
        .long   end - code, 0, 0                # sizes of code and data
        .long   CODE, CODE                      # entry point, base of code
        .quad   0                               # image base
        .long   ALIGNMENT, ALIGNMENT
        .word   0, 0, 0, 0, 0, 0
        .long   0
        .long   end - image, CODE               # sizes of image and headers
        .long   0                               # checksum
        .word   11, 0                           # EFI boot service driver
        .quad   0, 0, 0, 0
        .long   0, 16                           # data directories, all empty
        .skip   16 * 8
section:
        .ascii  ".text\0\0\0"
        .long   end - code, CODE, end - code, CODE
        .long   0, 0, 0
        .long   0x60000020                      # code, executable, readable
        .balign ALIGNMENT, 0

# EFI_STATUS entry(EFI_HANDLE image in rcx, EFI_SYSTEM_TABLE *system in rdx)
code:   sub     $0x38, %rsp
        mov     0x60(%rdx), %rax                # BootServices
        lea     tcg2(%rip), %rcx
        xor     %edx, %edx
        lea     0x30(%rsp), %r8
        call    *0x140(%rax)                    # LocateProtocol(&tcg2, NULL, &protocol)
        test    %rax, %rax
        jnz     done
        mov     0x30(%rsp), %rcx
        xor     %edx, %edx
        lea     info(%rip), %r8
        mov     $32, %r9d
        lea     event(%rip), %rax
        mov     %rax, 0x20(%rsp)
        call    *0x10(%rcx)                     # HashLogExtendEvent(protocol, 0, info, 32, event)
done:   add     $0x38, %rsp
        ret

        .balign 8, 0
tcg2:   .long   0x607f766c                      # EFI_TCG2_PROTOCOL_GUID
        .word   0x7455, 0x42be
        .byte   0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f
event:  .long   event_end - event               # EFI_TCG2_EVENT: size, size and version of its header, PCR, EV_NONHOST_INFO
        .long   14
        .word   1
        .long   0, 0x11
info:   .ascii  "GCE NonHostInfo\0"
        .byte   1
        .skip   15
event_end:
        .balign ALIGNMENT, 0
end:    .balign 0x1000, 0                       # EDK2 takes the smallest ROM, of 2 KiB, for none
