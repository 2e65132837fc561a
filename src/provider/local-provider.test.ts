/** The local provider keeps the contract of connectors. */
import { connectorContract } from '../../test/contracts/connector.contract.ts'
import { localScope } from '../../test/support/script-connectors.ts'

connectorContract('LocalProvider', localScope)
