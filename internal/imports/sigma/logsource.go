package sigma

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/imports"
)

// Source says which logs a logsource means: where they are, and how they differ from others there.
type Source struct {
	Product  string // "" for any, as all three
	Category string
	Service  string
	Topics   []string   // the sources that the rules read; none for the default
	Match    *yaml.Node // a selection over the log's own fields; nil for every log
}

// fits reports whether a rule's logsource is that of s.
func (s *Source) fits(l *logsource) bool {
	same := func(want, got string) bool { return want == "" || strings.EqualFold(want, got) }
	return same(s.Product, l.product) && same(s.Category, l.category) && same(s.Service, l.service)
}

// covers reports whether the logs of another logsource are among those of l.
func (l *logsource) covers(other logsource) bool {
	s := Source{Product: l.product, Category: l.category, Service: l.service}
	return s.fits(&other)
}

// String is "windows/process_creation".
func (l *logsource) String() string {
	parts := slices.DeleteFunc([]string{l.product, l.category, l.service},
		func(part string) bool { return part == "" })
	return strings.Join(parts, "/")
}

const (
	sysmon     = "Microsoft-Windows-Sysmon/Operational"
	powershell = "Microsoft-Windows-PowerShell/Operational"
	core       = "PowerShellCore/Operational"
	classic    = "Windows PowerShell"
)

// windowsEvents are the channels and event IDs of the categories of Windows.
var windowsEvents = map[string]struct {
	channels []string
	ids      []int
}{
	"process_creation":          {[]string{sysmon}, []int{1}},
	"file_change":               {[]string{sysmon}, []int{2}},
	"network_connection":        {[]string{sysmon}, []int{3}},
	"sysmon_status":             {[]string{sysmon}, []int{4, 16}},
	"process_termination":       {[]string{sysmon}, []int{5}},
	"driver_load":               {[]string{sysmon}, []int{6}},
	"image_load":                {[]string{sysmon}, []int{7}},
	"create_remote_thread":      {[]string{sysmon}, []int{8}},
	"raw_access_thread":         {[]string{sysmon}, []int{9}},
	"process_access":            {[]string{sysmon}, []int{10}},
	"file_event":                {[]string{sysmon}, []int{11}},
	"registry_event":            {[]string{sysmon}, []int{12, 13, 14}},
	"registry_add":              {[]string{sysmon}, []int{12}},
	"registry_delete":           {[]string{sysmon}, []int{12}},
	"registry_set":              {[]string{sysmon}, []int{13}},
	"registry_rename":           {[]string{sysmon}, []int{14}},
	"create_stream_hash":        {[]string{sysmon}, []int{15}},
	"pipe_created":              {[]string{sysmon}, []int{17, 18}},
	"wmi_event":                 {[]string{sysmon}, []int{19, 20, 21}},
	"dns_query":                 {[]string{sysmon}, []int{22}},
	"file_delete":               {[]string{sysmon}, []int{23, 26}},
	"clipboard_change":          {[]string{sysmon}, []int{24}},
	"process_tampering":         {[]string{sysmon}, []int{25}},
	"file_block_executable":     {[]string{sysmon}, []int{27}},
	"file_block_shredding":      {[]string{sysmon}, []int{28}},
	"file_executable_detected":  {[]string{sysmon}, []int{29}},
	"sysmon_error":              {[]string{sysmon}, []int{255}},
	"ps_module":                 {[]string{powershell, core}, []int{4103}},
	"ps_script":                 {[]string{powershell, core}, []int{4104}},
	"ps_classic_start":          {[]string{classic}, []int{400}},
	"ps_classic_provider_start": {[]string{classic}, []int{600}},
	"ps_classic_script":         {[]string{classic}, []int{800}},
}

// windowsChannels are the channels of the services of Windows.
var windowsChannels = map[string][]string{
	"application":           {"Application"},
	"applocker":             appLocker,
	"appmodel-runtime":      {"Microsoft-Windows-AppModel-Runtime/Admin"},
	"appxdeployment-server": {"Microsoft-Windows-AppXDeploymentServer/Operational"},
	"appxpackaging-om":      {"Microsoft-Windows-AppxPackaging/Operational"},
	"bits-client":           {"Microsoft-Windows-Bits-Client/Operational"},
	"capi2":                 {"Microsoft-Windows-CAPI2/Operational"},
	"certificateservicesclient-lifecycle-system": {
		"Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",
	},
	"codeintegrity-operational": {"Microsoft-Windows-CodeIntegrity/Operational"},
	"diagnosis-scripted":        {"Microsoft-Windows-Diagnosis-Scripted/Operational"},
	"dhcp":                      {"Microsoft-Windows-DHCP-Server/Operational"},
	"dns-client":                {"Microsoft-Windows-DNS-Client/Operational"},
	"dns-server":                {"DNS Server"},
	"dns-server-analytic":       {"Microsoft-Windows-DNS-Server/Analytical"},
	"driver-framework": {
		"Microsoft-Windows-DriverFrameworks-UserMode/Operational",
	},
	"firewall-as": {
		"Microsoft-Windows-Windows Firewall With Advanced Security/Firewall",
	},
	"iis-configuration":           {"Microsoft-IIS-Configuration/Operational"},
	"ldap":                        {"Microsoft-Windows-LDAP-Client/Debug"},
	"lsa-server":                  {"Microsoft-Windows-LSA/Operational"},
	"microsoft-servicebus-client": {"Microsoft-ServiceBus-Client"},
	"msexchange-management":       {"MSExchange Management"},
	"ntlm":                        {"Microsoft-Windows-NTLM/Operational"},
	"openssh":                     {"OpenSSH/Operational"},
	"powershell":                  {powershell, core},
	"powershell-classic":          {classic},
	"printservice-admin":          {"Microsoft-Windows-PrintService/Admin"},
	"printservice-operational":    {"Microsoft-Windows-PrintService/Operational"},
	"security":                    {"Security"},
	"security-mitigations": {
		"Microsoft-Windows-Security-Mitigations/Kernel Mode",
		"Microsoft-Windows-Security-Mitigations/User Mode",
	},
	"shell-core":             {"Microsoft-Windows-Shell-Core/Operational"},
	"smbclient-connectivity": {"Microsoft-Windows-SmbClient/Connectivity"},
	"smbclient-security":     {"Microsoft-Windows-SmbClient/Security"},
	"smbserver-connectivity": {"Microsoft-Windows-SMBServer/Connectivity"},
	"sysmon":                 {sysmon},
	"system":                 {"System"},
	"taskscheduler":          {"Microsoft-Windows-TaskScheduler/Operational"},
	"terminalservices-localsessionmanager": {
		"Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
	},
	"windefend": {"Microsoft-Windows-Windows Defender/Operational"},
	"wmi":       {"Microsoft-Windows-WMI-Activity/Operational"},
}

var appLocker = []string{
	"Microsoft-Windows-AppLocker/EXE and DLL", "Microsoft-Windows-AppLocker/MSI and Script",
	"Microsoft-Windows-AppLocker/Packaged app-Deployment",
	"Microsoft-Windows-AppLocker/Packaged app-Execution",
}

// windows is the selection of the events of a logsource of Windows, by the names that Sigma has for
// their fields; nil when the logsource does not say which they are.
func (l *logsource) windows() *yaml.Node {
	if !strings.EqualFold(l.product, "windows") {
		return nil
	}
	selection := imports.Map()
	if e, ok := windowsEvents[l.category]; ok {
		imports.Set(selection, "Channel", imports.Texts(e.channels...))
		ids := imports.List()
		for _, id := range e.ids {
			ids.Content = append(ids.Content, imports.Number(id))
		}
		imports.Set(selection, "EventID", ids)
		return selection
	}
	if channels, ok := windowsChannels[l.service]; ok {
		imports.Set(selection, "Channel", imports.Texts(channels...))
		return selection
	}
	return nil
}
