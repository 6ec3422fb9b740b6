"""User agents of people, composed from the forms that vendors document.

Written before the rules they judge. Three lists: the commonest browsers, mail clients, and rare
but real devices whose strings hold traps (brands such as CUBOT, odd tokens, televisions).
"""

from typing import Final

_KHTML = "(KHTML, like Gecko)"
_WINDOWS = "Windows NT 10.0; Win64; x64"
_MAC = "Macintosh; Intel Mac OS X 10_15_7"
_LINUX = "X11; Linux x86_64"


def chrome(system: str, version: int, tail: str = "", mobile: bool = False) -> str:
    """A Chromium browser with the reduced version that Chrome sends since release 101."""
    mark = "Mobile " if mobile else ""
    return (
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 {_KHTML} "
        f"Chrome/{version}.0.0.0 {mark}Safari/537.36{tail}"
    )


def firefox(system: str, version: int) -> str:
    """Firefox for desktops."""
    return f"Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"


def safari(version: str) -> str:
    """Safari on a Mac."""
    return f"Mozilla/5.0 ({_MAC}) AppleWebKit/605.1.15 {_KHTML} Version/{version} Safari/605.1.15"


def ios(system: str, tail: str, webkit: str = "605.1.15") -> str:
    """A browser or web view on an iPhone or iPad; ``system`` such as ``17_5``."""
    device = "iPad; CPU OS" if system.startswith("pad") else "iPhone; CPU iPhone OS"
    number = system.removeprefix("pad")
    return f"Mozilla/5.0 ({device} {number} like Mac OS X) AppleWebKit/{webkit} {_KHTML} {tail}"


def webview(device: str, version: int, tail: str = "") -> str:
    """An Android web view inside an app."""
    return (
        f"Mozilla/5.0 (Linux; Android {device}; wv) AppleWebKit/537.36 {_KHTML} "
        f"Version/4.0 Chrome/{version}.0.0.0 Mobile Safari/537.36{tail}"
    )


def trident(system: str, tail: str = "") -> str:
    """Internet Explorer's engine, also the one of Outlook's old web parts."""
    return f"Mozilla/4.0 (compatible; MSIE 7.0; {system}; Trident/7.0; .NET4.0C; .NET4.0E{tail})"


_PHONES = (
    "13; SM-S901B", "14; Pixel 8", "14; SM-A546E", "12; M2101K6G", "13; CPH2371", "11; RMX3241",
    "10; K", "9; SM-G960F", "15; Pixel 9 Pro", "13; 2201117TG", "12; moto g(60)", "8.1.0; vivo 1812",
)  # fmt: skip
_TABLETS = ("13; SM-X200", "11; Lenovo TB-X606F", "12; SM-T870")

BROWSERS: Final = [
    *[chrome(_WINDOWS, version) for version in (91, 104, 109, 120, 124, 128, 131, 134, 138, 141)],
    *[chrome(_MAC, version) for version in (103, 115, 125, 129, 136, 142)],
    *[chrome(_LINUX, version) for version in (99, 119, 127, 140)],
    chrome("X11; CrOS x86_64 14541.0.0", 133),
    chrome("X11; Ubuntu; Linux x86_64", 70),
    chrome("Windows NT 6.1; Win64; x64", 109),
    chrome("Windows NT 6.3", 92),
    *[chrome(_WINDOWS, version, f" Edg/{version}.0.0.0") for version in (110, 122, 130, 139)],
    chrome(_MAC, 126, " Edg/126.0.0.0"),
    chrome(_WINDOWS, 64, " Edge/17.17134"),
    chrome(_WINDOWS, 42, " Edge/12.246"),
    chrome(_WINDOWS, 124, " OPR/110.0.0.0"),
    chrome(_MAC, 124, " OPR/110.0.0.0"),
    chrome(_WINDOWS, 130, " YaBrowser/24.12.0.0"),
    chrome(_WINDOWS, 122, " Vivaldi/6.6.3271.61"),
    chrome(_LINUX, 118, " Brave/118"),
    chrome(_WINDOWS, 100, " Whale/3.14.134.62"),
    chrome(_WINDOWS, 86, " UBrowser/7.0.185.1002"),
    *[firefox(_WINDOWS, version) for version in (91, 102, 115, 121, 128, 132, 140)],
    *[firefox("Macintosh; Intel Mac OS X 10.15", version) for version in (109, 126, 136)],
    *[firefox(_LINUX, version) for version in (78, 128, 143)],
    firefox("X11; Ubuntu; Linux x86_64", 127),
    firefox("X11; Fedora; Linux x86_64", 119),
    firefox("Windows NT 6.1; WOW64", 52),
    *[
        safari(version)
        for version in ("13.1.2", "14.1.2", "15.6.1", "16.6", "17.4.1", "18.2", "26.0")
    ],
    *[
        ios(
            system,
            f"Version/{system.removeprefix('pad').replace('_', '.')} Mobile/15E148 Safari/604.1",
        )
        for system in ("12_5", "14_8", "15_6", "16_6", "17_5", "18_1", "18_6", "pad13_3", "pad16_5")
    ],
    ios("17_5", "CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1"),
    ios("pad17_4", "CriOS/124.0.6367.88 Mobile/15E148 Safari/604.1"),
    ios("17_3", "FxiOS/122.0 Mobile/15E148 Safari/605.1.15"),
    ios("16_7", "EdgiOS/120.0.2210.150 Version/16.0 Mobile/15E148 Safari/604.1"),
    ios("17_1", "GSA/300.0.598994205 Mobile/15E148 Safari/604.1"),
    ios("16_3", "DuckDuckGo/7 Mobile/15E148 Safari/605.1.15"),
    ios("17_0", "OPT/4.3.1 Mobile/15E148"),
    ios("17_2", "Mobile/15E148 [FBAN/FBIOS;FBAV/440.0.0.29.117;FBDV/iPhone14,5;FBMD/iPhone]"),
    ios("16_1", "Mobile/15E148 Instagram 289.0.0.18.109 (iPhone13,2; iOS 16_1; en_US)"),
    *[chrome(f"Linux; Android {phone}", 126, mobile=True) for phone in _PHONES],
    *[chrome(f"Linux; Android {tablet}", 125) for tablet in _TABLETS],
    chrome("Linux; Android 13; SM-A515F", 115, " EdgA/115.0.1901.196", mobile=True),
    chrome("Linux; Android 12; SM-G991B", 111, " OPR/75.1.3978.72329", mobile=True),
    chrome("Linux; Android 11; Redmi Note 9", 110, " YaBrowser/23.3.3.86", mobile=True),
    "Mozilla/5.0 (Android 13; Mobile; rv:126.0) Gecko/126.0 Firefox/126.0",
    "Mozilla/5.0 (Android 14; Mobile; rv:131.0) Gecko/131.0 Firefox/131.0",
    "Mozilla/5.0 (Android 10; Tablet; rv:109.0) Gecko/117.0 Firefox/117.0",
    (
        f"Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-S918B) AppleWebKit/537.36 {_KHTML} "
        "SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36"
    ),
    (
        f"Mozilla/5.0 (Linux; Android 12; SAMSUNG SM-A528B) AppleWebKit/537.36 {_KHTML} "
        "SamsungBrowser/18.0 Chrome/99.0.4844.88 Mobile Safari/537.36"
    ),
    (
        f"Mozilla/5.0 (Linux; U; Android 12; en-US; CPH2015) AppleWebKit/537.36 {_KHTML} "
        "Version/4.0 Chrome/100.0.4896.58 UCBrowser/13.5.0.1311 Mobile Safari/537.36"
    ),
    webview("13; SM-G998B", 117),
    webview("12; M2007J20CG", 112, " [FB_IAB/FB4A;FBAV/417.0.0.33.65;]"),
    webview("11; SM-A217F", 108, " Instagram 265.0.0.19.301 Android (30/11; samsung; SM-A217F)"),
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
    "Opera/9.80 (Android; Opera Mini/36.2.2254/191.249; U; en) Presto/2.12.423 Version/12.16",
]

MAIL_CLIENTS: Final = [
    *[
        f"Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Thunderbird/{version}.3.1"
        for system, version in (
            (_WINDOWS, 78),
            (_WINDOWS, 102),
            (_WINDOWS, 115),
            (_WINDOWS, 128),
            (_LINUX, 91),
            (_LINUX, 115),
            (_LINUX, 140),
            ("Macintosh; Intel Mac OS X 10.15", 102),
            ("Macintosh; Intel Mac OS X 10.15", 128),
        )
    ],
    *[
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X {system}) AppleWebKit/605.1.15 {_KHTML}"
        for system in ("10_13_6", "10_14_6", "10_15_7", "11_7")
    ],
    *[
        ios(system, "Mobile/15E148")
        for system in ("13_3", "15_8", "17_6", "18_3", "pad15_1", "pad17_0")
    ],
    *[
        trident(f"Windows NT {system}", f"; Microsoft Outlook {version}")
        for system, version in (
            ("10.0; Win64; x64", "16.0.4266"),
            ("10.0; WOW64", "16.0.13801"),
            ("6.1", "15.0.4569"),
        )
    ],
    *[trident("Windows NT 6.1; WOW64", f"; MSOffice {version}") for version in (12, 14)],
    trident("Windows NT 10.0; WOW64", "; ms-office"),
    *[
        f"Microsoft Office/16.0 ({system}; Microsoft Outlook 16.0.{build}; Pro)"
        for system, build in (("Windows NT 10.0", 13801), ("Windows NT 6.3", 8241))
    ],
    "Microsoft Office/16.0 (Microsoft Outlook Mail 16.0.6416; Pro)",
    "Outlook-iOS/723.4027091.prod.iphone (4.28.0)",
    "Outlook-iOS/709.2226530.prod.iphone (3.24.1)",
    "Outlook-iOS-Android/1.0",
    "Outlook-Android/2.0",
    "Outlook-Express/7.0 (MSIE 7.0; Windows NT 6.1; WOW64; Trident/7.0; TmstmpExt)",
    "MacOutlook/16.78.23100802 (Intelx64 Mac OS X Version 13.6 (Build 22G120))",
    "MacOutlook/0.0.0.150815 (Intel Mac OS X Version 10.10.3 (Build 14D136))",
    chrome(_WINDOWS, 126, " Edg/126.0.0.0 OneOutlook/1.2024.619.100"),
    f"Mozilla/5.0 ({_MAC}) AppleWebKit/605.1.15 {_KHTML} Airmail/5.7",
    "Airmail/657 CFNetwork/1410.0.3 Darwin/22.6.0",
    "Spark/3.14.2 CFNetwork/1474 Darwin/23.0.0",
    "Mail/3654.120.0.1.15 CFNetwork/1240.0.4 Darwin/20.6.0",
    "eMClient/9.2.1735.0",
    "eM Client/8.2.1659.0",
    "K-9 Mail for Android",
    (
        f"Mozilla/5.0 (Linux; Android 13; Pixel 6; wv) AppleWebKit/537.36 {_KHTML} Version/4.0 "
        "Chrome/119.0.0.0 Mobile Safari/537.36 K9Mail/6.712"
    ),
    webview("13; SM-S908B", 118, " SamsungEmail/6.1.90.16"),
    webview("12; SM-A525F", 104, " GSA/13.22.16"),
    webview("14; Pixel 7", 120, " YahooMobileMail/7.36"),
    webview("11; moto g power", 103, " AquaMail/1.44"),
    "YahooMobileMail/1.0 (Android Mail; 7.36.2) (a51; samsung; SM-A515F; 12)",
    (
        f"Mozilla/5.0 ({_WINDOWS}) AppleWebKit/537.36 {_KHTML} Mailbird/3.0 Chrome/114.0.5735.134 "
        "Safari/537.36"
    ),
    chrome(_MAC, 106, " Mailspring/1.10.8 Electron/21.0.0"),
    chrome(_LINUX, 100, " Mailspring/1.10.3 Electron/18.0.0"),
    chrome(_MAC, 118, " Superhuman/1038 Electron/27.0.0"),
    f"Mozilla/5.0 ({_LINUX}) AppleWebKit/605.1.15 {_KHTML} Evolution/3.44.4",
    f"Mozilla/5.0 ({_LINUX}) AppleWebKit/605.1.15 {_KHTML} Version/16.0 Safari/605.1.15 Geary/43.0",
    (
        f"Mozilla/5.0 ({_LINUX}) AppleWebKit/537.36 {_KHTML} KMail/5.19.3 QtWebEngine/5.15.8 "
        "Chrome/87.0.4280.144 Safari/537.36"
    ),
    "Mozilla/5.0 (Windows NT 10.0; WOW64; rv:68.0) Gecko/20100101 Postbox/7.0.60",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.14; rv:52.0) Gecko/20100101 PostboxApp/6.1.18",
    "Mozilla/4.0 (compatible; Lotus-Notes/6.0; Windows-NT)",
    f"Mozilla/5.0 ({_WINDOWS}) AppleWebKit/537.36 {_KHTML} HCLNotes/12.0 Chrome/99.0.0.0",
    "The Bat! 10.5 (Windows NT 10.0)",
    "Mozilla/5.0 (Windows NT 10.0; rv:102.0) Gecko/20100101 Betterbird/102.15.1",
    "ZimbraDesktop/7.3.1 (Windows NT 10.0)",
    "Foxmail/7.2.25 (Windows NT 10.0; WOW64)",
    f"Mozilla/5.0 ({_MAC}) AppleWebKit/605.1.15 {_KHTML} MailMate/1.14",
    f"Mozilla/5.0 ({_MAC}) AppleWebKit/605.1.15 {_KHTML} Mimestream/1.3.6",
    f"Mozilla/5.0 ({_MAC}) AppleWebKit/605.1.15 {_KHTML} CanaryMail/4.51",
]

_OLD = "AppleWebKit/537.36 (KHTML, like Gecko)"

RARE_DEVICES: Final = [
    chrome("Linux; Android 10; CUBOT_X30", 119, mobile=True),
    chrome("Linux; Android 9; CUBOT X19", 88, mobile=True),
    chrome("Linux; Android 8.1.0; CUBOT_P20 Build/O11019", 70, mobile=True),
    (
        "Mozilla/5.0 (Linux; U; Android 4.2.2; de-de; CUBOT GT99 Build/JDQ39) AppleWebKit/534.30 "
        "(KHTML, like Gecko) Version/4.0 Mobile Safari/534.30"
    ),
    webview("11; CUBOT KINGKONG 5 Pro", 104),
    chrome("Linux; Android 12; Blackview BV5200", 113, mobile=True),
    chrome("Linux; Android 11; DOOGEE S97Pro", 106, mobile=True),
    chrome("Linux; Android 10; Crosscall Core-X4", 95, mobile=True),
    chrome("Linux; Android 13; FP5", 121, mobile=True),
    chrome("Linux; Android 9; BBE100-4", 87, mobile=True),
    chrome("Linux; Android 7.1.1; Robot 3", 81, mobile=True),
    chrome("Linux; Android 12; TECNO Spider S1", 108, mobile=True),
    chrome("Linux; Android 9; JioPhone Next Scan", 92, mobile=True),
    (
        f"Mozilla/5.0 (Linux; Android 9; KFMAWI) {_OLD} Silk/112.4.1 like Chrome/112.0.5615.213 "
        "Safari/537.36"
    ),
    f"Mozilla/5.0 (Linux; Android 5.1.1; KFAUWI) {_OLD} Silk/108.4.6 like Chrome/108.0 Safari/537.36",
    (
        "Mozilla/5.0 (X11; U; Linux armv7l like Android; en-us) AppleWebKit/531.2+ (KHTML, like Gecko) "
        "Version/5.0 Safari/533.2+ Kindle/3.0+"
    ),
    f"Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) {_OLD} 76.0.3809.146/6.0 TV Safari/537.36",
    f"Mozilla/5.0 (Web0S; Linux/SmartTV) {_OLD} Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
    f"Mozilla/5.0 (Linux; Android 9; BRAVIA 4K VH2) {_OLD} Chrome/110.0.0.0 Safari/537.36 OPR/46.0",
    (
        "Mozilla/5.0 (PlayStation; PlayStation 5/6.00) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/13.0 Safari/605.1.15"
    ),
    "Mozilla/5.0 (PlayStation 4 9.60) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    (
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) {_OLD} Chrome/115.0.0.0 "
        "Safari/537.36 Edg/115.0.1901.200"
    ),
    (
        "Mozilla/5.0 (Nintendo Switch; WebApplet) AppleWebKit/609.4 (KHTML, like Gecko) NF/6.0.2.22.5 "
        "NintendoBrowser/5.1.0.23519"
    ),
    "Mozilla/5.0 (Nintendo WiiU) AppleWebKit/536.30 (KHTML, like Gecko) NX/3.0.4.2.13",
    "Mozilla/5.0 (Nintendo 3DS; U; ; en) Version/1.7630.EU",
    (
        "Mozilla/5.0 (BB10; Touch) AppleWebKit/537.10+ (KHTML, like Gecko) Version/10.3.3.2205 "
        "Mobile Safari/537.10+"
    ),
    (
        "Mozilla/5.0 (BlackBerry; U; BlackBerry 9900; en) AppleWebKit/534.11+ (KHTML, like Gecko) "
        "Version/7.1.0.346 Mobile Safari/534.11+"
    ),
    "BlackBerry9700/5.0.0.862 Profile/MIDP-2.1 Configuration/CLDC-1.1 VendorID/331",
    "Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
    "Mozilla/5.0 (Mobile; LYF/F220B/LYF-F220B; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
    "Nokia6303iclassic/5.0 (06.61) Profile/MIDP-2.1 Configuration/CLDC-1.1 UCWEB/2.0",
    "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS; U; en)/23.348; U; en) Presto/2.5.25",
    (
        "Mozilla/5.0 (SymbianOS/9.4; Series60/5.0 NokiaN97-1/20.0.019) AppleWebKit/525 "
        "(KHTML, like Gecko) BrowserNG/7.1.12344"
    ),
    (
        "Mozilla/5.0 (Mobile; Windows Phone 8.1; Android 4.0; ARM; Trident/7.0; Touch; rv:11.0; "
        "IEMobile/11.0; NOKIA; Lumia 635) like iPhone OS 7_0_3 Mac OS X AppleWebKit/537 Mobile Safari/537"
    ),
    "Mozilla/5.0 (X11; FreeBSD amd64; rv:120.0) Gecko/20100101 Firefox/120.0",
    "Mozilla/5.0 (X11; OpenBSD amd64; rv:102.0) Gecko/20100101 Firefox/102.0",
    "Mozilla/5.0 (X11; Linux aarch64; rv:78.0) Gecko/20100101 Firefox/78.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:91.0) Gecko/20100101 Firefox/91.0 Waterfox/91.1",
    "Mozilla/5.0 (Windows NT 6.1; rv:60.0) Gecko/20100101 PaleMoon/29.4 Firefox/60.9",
    "Mozilla/5.0 (X11; Linux i686; rv:91.0) Gecko/20100101 Firefox/91.0 SeaMonkey/2.53.14",
    "Mozilla/5.0 (Macintosh; PPC Mac OS X 10.5; rv:45.0) Gecko/20100101 TenFourFox/7450",
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 "
        "Safari/605.1.15 Epiphany/605.1.15"
    ),
    "Mozilla/5.0 (OS/2; Warp 4.5; rv:45.0) Gecko/20100101 Firefox/45.0",
    (
        "Mozilla/5.0 (Linux; Android 10; VR; Quest 2) AppleWebKit/537.36 (KHTML, like Gecko) "
        "OculusBrowser/23.2.0 Chrome/104.0.5112.111 VR Safari/537.36"
    ),
    (
        "Mozilla/5.0 (X11; GNU/Linux) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.0 "
        "Safari/537.36 Tesla/2022.44.25"
    ),
    "Lynx/2.9.0 libwww-FM/2.14 SSL-MM/1.4.1 GNUTLS/3.7.9",
    "w3m/0.5.3+git20230121",
]
